"""Tell whether traffic has shifted: by the proxies of the stable Pods, or by the Gateways of the HTTPRoute. Pure."""

from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, service_name
from modelops.controllers.inferenceservice.pod.template import SERVICE_PORT
from modelops.controllers.inferenceservice.traffic import gateway
from modelops.controllers.inferenceservice.traffic.envoy_routes import rendered
from modelops.controllers.inferenceservice.traffic.propagation import routes_in_effect, split_of
from modelops.controllers.inferenceservice.traffic.steps import Step
from modelops.machinery.matching import already_applied
from modelops.machinery.resources import Body


def traffic_shifted(seen: Observation, step: Step | None) -> bool:
    """Return whether the candidate gets the traffic of a step; without a step, whether it gets none."""
    if seen.service.spec.gateway is not None:
        if seen.http_route is None or not already_applied(http_route(seen, step), seen.http_route):
            return False
        if step is None:
            return gateway.weight_withdrawn(seen.http_route, seen.now)
        return not gateway.route_problem(seen.http_route)
    if seen.stable_template is None or seen.stable_revision is None:
        return True
    serving = seen.stable_template.serving
    split = split_of(seen.service, serving, step, captured=step is not None, token=seen.rollout_token)
    return routes_in_effect(seen.stable_revision.pods, seen.proxy_stats, rendered(split).name, seen.now)


def route_problem(seen: Observation) -> str:
    """Return why the Gateways do not route to the model; empty where they do, or where the spec names none."""
    if seen.service.spec.gateway is None:
        return ""
    return gateway.route_problem(seen.http_route) if seen.http_route is not None else "the HTTPRoute is not created yet"


def http_route(seen: Observation, step: Step | None) -> Body:
    """Build the HTTPRoute with the traffic of a step; without a step the candidate gets none."""
    service = seen.service
    return gateway.http_route(
        service,
        service_name(service),
        candidate_service_name(service),
        SERVICE_PORT,
        weight=step.weight if step is not None else 0,
        mirror=step.mirror if step is not None else 0,
    )
