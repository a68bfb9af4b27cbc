"""Traffic that comes in through a Gateway: the HTTPRoute that has the weights, and whether Gateways take it. Pure.

Fields and their defaults are those of the Gateway API's standard channel, `gateway.networking.k8s.io/v1`.
"""

from datetime import datetime, timedelta

from modelops.api.inferenceservice import InferenceService, ParentRef
from modelops.controllers.metadata import labels, owner_references
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.resources import HTTP_ROUTES, MANAGER, Body

COMPONENT = "gateway"
_CONDITIONS = ("Accepted", "ResolvedRefs")
_LONGEST_SILENCE = timedelta(seconds=150)
"""A Gateway's controller that has not looked at a route for so long runs no more, or the Gateway is gone."""


def route(service: InferenceService, stable: str, candidate: str, port: int, weight: int, mirrored: int = 0) -> Body:
    """The HTTPRoute of an InferenceService that names Gateways.

    `stable` and `candidate` are Services, and `port` is theirs. The candidate answers `weight` percent of the requests,
    and gets copies of `mirrored` percent of them besides. Both Services are always named: a weight of 0 takes nothing.
    """
    gateway = service.spec.gateway
    assert gateway is not None, "only an InferenceService with a Gateway has a route"
    rule: Body = {
        "matches": [{"path": {"type": "PathPrefix", "value": gateway.path_prefix}}],
        "backendRefs": [
            {**_backend(stable, port), "weight": 100 - weight},
            {**_backend(candidate, port), "weight": weight},
        ],
        # Empty lists are named: where a list is absent, the found one would be taken for right.
        "filters": [_mirror(_backend(candidate, port), mirrored)] if mirrored else [],
    }
    spec: Body = {
        "parentRefs": [_parent(one) for one in gateway.parent_refs],
        "hostnames": list(gateway.hostnames),
        "rules": [rule],
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
        "spec": spec,
    }


def _mirror(backend: Body, percent: int) -> Body:
    mirror: Body = {"backendRef": backend}
    if percent < 100:
        mirror["percent"] = percent
    return {"type": "RequestMirror", "requestMirror": mirror}


def objection(found: Body) -> str:
    """Why the route as it is now does not lead anywhere yet, in one sentence; empty where every Gateway has taken it.

    A Gateway's controller says so in the route's status, for a generation of its spec.
    """
    for wanted in found["spec"]["parentRefs"]:
        name, answers = wanted["name"], _answers(found, wanted)
        if not answers:
            return f'Gateway "{name}" has not taken the route: is it there, and does its controller run?'
        for conditions in answers:
            if problem := _problem(name, conditions, found["metadata"].get("generation", 0)):
                return problem
    return ""


def share_given_back(found: Body, now: datetime) -> bool:
    """Whether no Gateway passes requests on by a former weight.

    One that has never said a word of the route passes none on, nor does one that refuses it; and nobody waits for ever
    for one that says nothing any more.
    """
    generation = found["metadata"].get("generation", 0)
    for wanted in found["spec"]["parentRefs"]:
        for conditions in _answers(found, wanted):
            by_type = {one["type"]: one.get("observedGeneration", 0) for one in conditions}
            if any(by_type.get(type_, 0) < generation for type_ in _CONDITIONS):
                return now - _written(found) > _LONGEST_SILENCE
    return True


def _answers(found: Body, wanted: Body) -> list[list[Body]]:
    """The conditions that controllers have set for one of the route's parents."""
    told = found.get("status", {}).get("parents", [])
    namespace = found["metadata"]["namespace"]
    return [one.get("conditions", []) for one in told if _names(one["parentRef"], wanted, namespace)]


def _written(found: Body) -> datetime:
    """When the operator last changed the route, as the API server has it."""
    times = [one["time"] for one in found["metadata"].get("managedFields", []) if one.get("manager") == MANAGER]
    return parse_timestamp(max(times, default=found["metadata"]["creationTimestamp"]))


def _problem(name: str, conditions: list[Body], generation: int) -> str:
    by_type = {one["type"]: one for one in conditions}
    for type_ in _CONDITIONS:
        condition = by_type.get(type_)
        if condition is None or condition.get("observedGeneration", 0) < generation:
            return f'Gateway "{name}" has not looked at the newest weights yet'
        if condition["status"] != "True":
            because = condition.get("message") or condition.get("reason") or "it does not say why"
            return f'Gateway "{name}" does not take the route: {because}'
    return ""


def _names(told: Body, wanted: Body, namespace: str) -> bool:
    """A parent in the status is the one of the spec. An absent namespace is the route's own."""
    here, there = ({"namespace": namespace, **one} for one in (told, wanted))
    return all(here.get(field) == there.get(field) for field in ("name", "namespace", "sectionName", "port"))


def _parent(ref: ParentRef) -> Body:
    return {"group": HTTP_ROUTES.group, "kind": "Gateway", **ref.wire()}


def _backend(name: str, port: int) -> Body:
    return {"group": "", "kind": "Service", "name": name, "port": port}
