"""What the operator, which writes the routes, and the Pods' proxies, which have the rest, must agree on."""

MIRRORED_HEADER = "x-modelops-mirrored"
"""A request header that only copies have: their answers go nowhere. Its value is the address of the Pod that keeps its
own answer for comparison, or `true` where none does."""
FORWARDED_HEADER = "x-modelops-forwarded"
"""A request header that the candidate's Pods get with what the stable version's pass on to them. Its value is `true`,
and no model sees it."""
CAPTURE_FILTER = "modelops.capture"
"""The filter that captures: routes turn it on by this name, and what it copies is there in a request's metadata."""
ENDPOINT_METADATA = "modelops"
"""Where an endpoint says which version and revision answer there, where it is not the one that the route is for."""
RETRY_POLICY = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 1}
"""Only what certainly never reached the model is tried again, once: a POST must not be carried out twice."""
