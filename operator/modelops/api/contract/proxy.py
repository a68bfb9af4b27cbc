"""Names in Envoy's configuration, of which the operator writes the routes and the monitor the rest."""

DRAIN_PATH = "/drain"
"""Path of the proxy's drain listener that begins a drain, by a POST. `worker/scripts/drain.sh` uses both paths."""
ACTIVE_REQUESTS_PATH = "/active"
"""Path of the proxy's drain listener with the number of requests in flight."""

MIRRORED_HEADER = "x-modelops-mirrored"
"""Header of mirrored requests, whose responses are discarded. The model gets it with the value `true`.

Between proxies its value is the rollout's token where contents are compared, followed by a space and the address of the
Pod that keeps its own response if responses are compared."""
FORWARDED_HEADER = "x-modelops-forwarded"
"""Header of requests that a proxy of the stable version forwards to the candidate, where contents are compared.

Its value is the rollout's token. The candidate's proxy removes the header before the model gets the request."""
TOKEN = "[0-9a-f]{32}"
"""Regular expression of a rollout's token, which proxies of both versions know and no client does."""
CAPTURE_FILTER = "modelops.capture"
"""Name of Envoy's capture filter: routes enable the filter by it, and captured bodies are request metadata under it."""
ENDPOINT_METADATA = "modelops"
"""Namespace of an endpoint's metadata: its version and revision, if not the route's."""
RETRY_POLICY = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 1}
"""Retry once, and only requests that certainly never reached the model: a POST must not be processed twice."""
FALLBACK_RETRY_POLICY = {
    **RETRY_POLICY,
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
            ".PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
}
"""The own model answers a request that did not reach a candidate."""
