"""The HTTPRoute: its weights, and whether a Gateway has accepted it."""

import copy
from datetime import timedelta
from typing import Any

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.traffic import gateway
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.matching import already_applied
from modelops.machinery.resources import BY_KIND, WATCHED, key_of
from support.builders.common import NOW
from support.builders.inferenceservices import Json, inference_service

PUBLIC = {"name": "public", "namespace": "edge", "sectionName": "https"}


def service(**given: Any) -> InferenceService:
    """Return an InferenceService with a Gateway."""
    return inference_service(gateway={"parentRefs": [PUBLIC], **given})


def route(*, weight: int = 20, mirror: int = 0, **given: Any) -> Json:
    """Return the InferenceService's HTTPRoute."""
    return gateway.http_route(service(**given), "mortgage", "mortgage-candidate", 80, weight=weight, mirror=mirror)


def reported(*conditions: Json, parent: Json | None = None, generation: int = 4) -> Json:
    """Return the HTTPRoute with these conditions of a Gateway's controller."""
    body = copy.deepcopy(route())
    body["metadata"]["generation"] = generation
    body["status"] = {"parents": [{"parentRef": parent or PUBLIC, "conditions": list(conditions)}]}
    return body


def condition(type_: str, status: str = "True", *, generation: int = 4, message: str = "") -> Json:
    """Return a condition for a generation of the HTTPRoute."""
    return {
        "type": type_,
        "status": status,
        "observedGeneration": generation,
        "reason": "NotAllowedByListeners",
        "message": message,
    }


def test_the_route_has_the_defaults_of_its_definition() -> None:
    """The route has every field that the API server would fill in, so that nothing is applied twice."""
    assert route(hostnames=["models.example"], pathPrefix="/v2")["spec"] == {
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", **PUBLIC}],
        "hostnames": ["models.example"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": "mortgage", "port": 80, "weight": 80},
                    {"group": "", "kind": "Service", "name": "mortgage-candidate", "port": 80, "weight": 20},
                ],
                "filters": [],
            }
        ],
    }


@pytest.mark.parametrize(("weight", "weights"), [(0, [100, 0]), (1, [99, 1]), (100, [0, 100])])
def test_the_weights_are_percentages(weight: int, weights: list[int]) -> None:
    """Both Services stay in the route: what changes from step to step is two numbers."""
    (rule,) = route(weight=weight)["spec"]["rules"]
    assert [backend["weight"] for backend in rule["backendRefs"]] == weights


@pytest.mark.parametrize(("mirror", "percent"), [(100, {}), (25, {"percent": 25}), (1, {"percent": 1})])
def test_requests_are_mirrored_to_the_candidate(mirror: int, percent: dict[str, int]) -> None:
    """Without a percentage the Gateway mirrors all requests."""
    (rule,) = route(weight=0, mirror=mirror)["spec"]["rules"]
    backend = {"group": "", "kind": "Service", "name": "mortgage-candidate", "port": 80}
    assert rule["filters"] == [{"type": "RequestMirror", "requestMirror": {"backendRef": backend, **percent}}]


def test_without_mirroring_the_filter_is_removed() -> None:
    """An empty list is applied, in place of an absent one. The hostnames are an empty list too."""
    plain, mirrored = route(weight=0), route(weight=0, mirror=100)
    assert plain["spec"]["rules"][0]["filters"] == []
    assert plain["spec"]["hostnames"] == []
    assert not already_applied(plain, mirrored)
    del plain["spec"]["rules"][0]["filters"]
    assert already_applied(route(weight=0), plain)


def test_the_route_is_owned_and_not_watched() -> None:
    """The route is deleted with its InferenceService, and the route's definition need not be installed."""
    made = route()
    assert made["metadata"]["ownerReferences"][0]["kind"] == "InferenceService"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "modelops"
    assert BY_KIND[key_of(made).kind] not in WATCHED
    assert already_applied(made, reported())


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        pytest.param(reported(condition("Accepted"), condition("ResolvedRefs")), "", id="the route is accepted"),
        pytest.param(
            {**route(), "status": {}}, "has not accepted the route", id="no controller has reported on the route"
        ),
        pytest.param(
            reported(condition("Accepted"), condition("ResolvedRefs"), parent={"name": "private", "namespace": "edge"}),
            "has not accepted the route",
            id="only another Gateway has accepted the route",
        ),
        pytest.param(
            reported(condition("Accepted", generation=3), condition("ResolvedRefs", generation=3)),
            "has not processed the latest weights",
            id="the conditions are of an older generation",
        ),
        pytest.param(
            reported(condition("Accepted")),
            "has not processed the latest weights",
            id="one of the two conditions is missing",
        ),
        pytest.param(
            reported(
                condition("Accepted", "False", message="no matching listener hostname"), condition("ResolvedRefs")
            ),
            "rejects the route: no matching listener hostname",
            id="the route is rejected with a message",
        ),
        pytest.param(
            reported(condition("Accepted"), condition("ResolvedRefs", "False")),
            "rejects the route: NotAllowedByListeners",
            id="the route is rejected with a reason only",
        ),
    ],
)
def test_route_problem(seen: Json, message: str) -> None:
    """A step counts from when the traffic shifts, and a person must read what to change."""
    problem = gateway.route_problem(seen)
    assert message in problem
    assert bool(problem) is bool(message)


def test_a_gateway_of_the_same_namespace() -> None:
    """The status names the namespace that the spec leaves out, or leaves it out as well."""
    for ref in ({"name": "local"}, {"name": "local", "namespace": "team-a"}):
        body = copy.deepcopy(route(parentRefs=[{"name": "local"}]))
        parent = {"parentRef": ref, "conditions": [condition("Accepted"), condition("ResolvedRefs")]}
        assert gateway.route_problem({**body, "status": {"parents": [parent]}}) == ""


def test_a_gateway_that_has_never_reported_on_the_route_does_not_route_by_it() -> None:
    """A weight is withdrawn without a Gateway that does not exist. One that routes by it must have processed that."""
    body = route(weight=0)
    body["metadata"]["generation"] = 4
    body["metadata"]["creationTimestamp"] = format_timestamp(NOW)
    assert gateway.route_problem(body)
    assert gateway.weight_withdrawn(body, NOW)
    body["status"] = {"parents": [{"parentRef": body["spec"]["parentRefs"][0], "conditions": []}]}
    assert not gateway.weight_withdrawn(body, NOW)


@pytest.mark.parametrize("type_", ["Accepted", "ResolvedRefs"])
def test_a_gateway_that_rejects_the_route_does_not_route_by_it(type_: str) -> None:
    """Otherwise one Gateway of two that rejects the route would keep a candidate from being deleted."""
    conditions = [condition(each, "False" if each == type_ else "True") for each in ("Accepted", "ResolvedRefs")]
    body = reported(*conditions)
    assert gateway.route_problem(body)
    assert gateway.weight_withdrawn(body, NOW)


def test_a_silent_gateway_is_waited_for_two_and_a_half_minutes() -> None:
    """A deleted Gateway leaves its last conditions in the route's status, for older weights."""
    body = reported(condition("Accepted", generation=3), condition("ResolvedRefs", generation=3))
    written = {"manager": "modelops", "operation": "Apply", "time": format_timestamp(NOW - timedelta(seconds=100))}
    later = {"manager": "a-gateway", "operation": "Update", "time": format_timestamp(NOW)}
    body["metadata"] |= {
        "creationTimestamp": format_timestamp(NOW - timedelta(days=1)),
        "managedFields": [written, later],
    }
    assert not gateway.weight_withdrawn(body, NOW)
    assert gateway.weight_withdrawn(body, NOW + timedelta(seconds=60))
