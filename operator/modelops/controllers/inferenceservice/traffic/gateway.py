"""Traffic through a Gateway of the Gateway API: the HTTPRoute with the weights, and whether Gateways accept it. Pure.

Fields and their defaults are those of the Gateway API's standard channel, `gateway.networking.k8s.io/v1`.
"""

from datetime import datetime, timedelta

from modelops.api.inferenceservice import InferenceService, ParentRef
from modelops.controllers.metadata import labels, owner_references
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.resources import HTTP_ROUTES, MANAGER, Body

COMPONENT = "gateway"
_CONDITIONS = ("Accepted", "ResolvedRefs")
_CONTROLLER_SILENCE = timedelta(seconds=150)
"""A controller that has not observed a route for so long no longer runs, or its Gateway is deleted."""


def http_route(
    service: InferenceService, stable: str, candidate: str, port: int, *, weight: int, mirror: int = 0
) -> Body:
    """Build the HTTPRoute of an InferenceService that names Gateways.

    `stable` and `candidate` are names of Services, and `port` is theirs. The candidate answers `weight` percent of the
    requests, and `mirror` percent of the requests are mirrored to it. The route always names both Services.
    """
    gateway = service.spec.gateway
    assert gateway is not None, "only an InferenceService with a Gateway has a route"
    rule: Body = {
        "matches": [{"path": {"type": "PathPrefix", "value": gateway.path_prefix}}],
        "backendRefs": [
            {**_backend(stable, port), "weight": 100 - weight},
            {**_backend(candidate, port), "weight": weight},
        ],
        # An empty list, not an absent one: `already_applied` would not notice that a filter must be removed.
        "filters": [_mirror(_backend(candidate, port), mirror)] if mirror else [],
    }
    return {
        "apiVersion": HTTP_ROUTES.api_version,
        "kind": HTTP_ROUTES.kind,
        "metadata": {
            "name": service.metadata.name,
            "namespace": service.metadata.namespace,
            "labels": labels(service, COMPONENT),
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "parentRefs": [_parent(ref) for ref in gateway.parent_refs],
            "hostnames": list(gateway.hostnames),
            "rules": [rule],
        },
    }


def route_problem(route: Body) -> str:
    """Return why a route does not lead to the model yet, in one sentence; empty where every Gateway accepts it.

    The controller of a Gateway reports that in the route's status, for a generation of its spec.
    """
    for ref in route["spec"]["parentRefs"]:
        name, parents = ref["name"], _conditions(route, ref)
        if not parents:
            return f'Gateway "{name}" has not accepted the route: check that it exists and that its controller runs'
        for conditions in parents:
            if problem := _problem(name, conditions, route["metadata"].get("generation", 0)):
                return problem
    return ""


def weight_withdrawn(route: Body, now: datetime) -> bool:
    """Return whether no Gateway routes by a former weight.

    A Gateway that has never reported on the route does not route by it, nor does one that rejects it. A Gateway that is
    silent counts as withdrawn after `_CONTROLLER_SILENCE`.
    """
    generation = route["metadata"].get("generation", 0)
    for ref in route["spec"]["parentRefs"]:
        for conditions in _conditions(route, ref):
            observed = {condition["type"]: condition.get("observedGeneration", 0) for condition in conditions}
            if any(observed.get(type_, 0) < generation for type_ in _CONDITIONS):
                return now - _last_applied(route) > _CONTROLLER_SILENCE
    return True


def _conditions(route: Body, ref: Body) -> list[list[Body]]:
    """Return the conditions that each controller has set for one of the route's parents."""
    parents = route.get("status", {}).get("parents", [])
    namespace = route["metadata"]["namespace"]
    return [parent.get("conditions", []) for parent in parents if _same_parent(parent["parentRef"], ref, namespace)]


def _last_applied(route: Body) -> datetime:
    """Return when the operator last changed the route, by the API server's clock."""
    fields = route["metadata"].get("managedFields", [])
    times = [field["time"] for field in fields if field.get("manager") == MANAGER]
    return parse_timestamp(max(times, default=route["metadata"]["creationTimestamp"]))


def _problem(name: str, conditions: list[Body], generation: int) -> str:
    by_type = {condition["type"]: condition for condition in conditions}
    for type_ in _CONDITIONS:
        condition = by_type.get(type_)
        if condition is None or condition.get("observedGeneration", 0) < generation:
            return f'Gateway "{name}" has not processed the latest weights yet'
        if condition["status"] != "True":
            reason = condition.get("message") or condition.get("reason") or "no reason given"
            return f'Gateway "{name}" rejects the route: {reason}'
    return ""


def _same_parent(reported: Body, ref: Body, namespace: str) -> bool:
    """Return whether a parent in the status is one of the spec. An absent namespace is the route's own."""
    left, right = ({"namespace": namespace, **parent} for parent in (reported, ref))
    return all(left.get(field) == right.get(field) for field in ("name", "namespace", "sectionName", "port"))


def _parent(ref: ParentRef) -> Body:
    return {"group": HTTP_ROUTES.group, "kind": "Gateway", **ref.wire()}


def _backend(name: str, port: int) -> Body:
    return {"group": "", "kind": "Service", "name": name, "port": port}


def _mirror(backend: Body, percent: int) -> Body:
    mirror: Body = {"backendRef": backend}
    if percent < 100:
        mirror["percent"] = percent
    return {"type": "RequestMirror", "requestMirror": mirror}
