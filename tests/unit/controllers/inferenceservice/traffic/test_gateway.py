"""The route of a Gateway: who gets how much, and when a Gateway has taken it."""

import copy
from datetime import timedelta
from typing import Any

import pytest

from modelops.api.inferenceservice import Gateway, InferenceService
from modelops.controllers.inferenceservice.traffic import gateway
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.matching import already_applied
from modelops.machinery.resources import BY_KIND, WATCHED, key_of
from support.builders.common import NOW
from support.builders.inferenceservices import inference_service

PUBLIC = {"name": "public", "namespace": "edge", "sectionName": "https"}


def service(**given: Any) -> InferenceService:
    """An InferenceService with a Gateway."""
    base = inference_service()
    wanted = Gateway.model_validate({"parentRefs": [PUBLIC], **given})
    return base.model_copy(update={"spec": base.spec.model_copy(update={"gateway": wanted})})


def route(weight: int = 20, mirrored: int = 0, **given: Any) -> dict[str, Any]:
    """Its route."""
    return gateway.route(service(**given), "mortgage", "mortgage-candidate", 80, weight, mirrored)


def found(*conditions: dict[str, Any], parent: dict[str, Any] | None = None, generation: int = 4) -> dict[str, Any]:
    """The route as the cluster has it, with what a Gateway's controller says of it."""
    body = copy.deepcopy(route())
    body["metadata"]["generation"] = generation
    body["status"] = {"parents": [{"parentRef": parent or PUBLIC, "conditions": list(conditions)}]}
    return body


def condition(type_: str, status: str = "True", at: int = 4, message: str = "") -> dict[str, Any]:
    """A condition of it."""
    return {"type": type_, "status": status, "observedGeneration": at, "reason": "Because", "message": message}


def test_the_route_as_the_api_server_writes_it() -> None:
    """All that the definition fills in is there already, and so nothing is applied twice."""
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
def test_the_weights_are_percents(weight: int, weights: list[int]) -> None:
    """Both Services stay in the route: what changes from step to step is two numbers."""
    (rule,) = route(weight)["spec"]["rules"]
    assert [one["weight"] for one in rule["backendRefs"]] == weights


@pytest.mark.parametrize(("mirrored", "share"), [(100, {}), (25, {"percent": 25}), (1, {"percent": 1})])
def test_mirrored_requests(mirrored: int, share: dict[str, int]) -> None:
    """Copies go to the candidate; without a share the Gateway copies all of them."""
    (rule,) = route(0, mirrored)["spec"]["rules"]
    backend = {"group": "", "kind": "Service", "name": "mortgage-candidate", "port": 80}
    assert rule["filters"] == [{"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}]


def test_nothing_is_mirrored_unasked() -> None:
    """Nor is a host named where the listener's are meant; and what was mirrored before is taken back."""
    plain, mirrored = route(0), route(0, 100)
    assert plain["spec"]["rules"][0]["filters"] == []
    assert plain["spec"]["hostnames"] == []
    assert not already_applied(plain, mirrored)
    del plain["spec"]["rules"][0]["filters"]
    assert already_applied(route(0), plain)


def test_whose_it_is() -> None:
    """It goes with its InferenceService, and is found by its label; and it is not watched, as it need not exist."""
    made = route()
    assert made["metadata"]["ownerReferences"][0]["kind"] == "InferenceService"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "modelops"
    assert BY_KIND[key_of(made).kind] not in WATCHED
    assert already_applied(made, found())


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        pytest.param(found(condition("Accepted"), condition("ResolvedRefs")), "", id="taken"),
        pytest.param({**route(), "status": {}}, "has not taken the route", id="no controller has looked at it"),
        pytest.param(
            found(condition("Accepted"), condition("ResolvedRefs"), parent={"name": "private", "namespace": "edge"}),
            "has not taken the route",
            id="another Gateway has",
        ),
        pytest.param(
            found(condition("Accepted", at=3), condition("ResolvedRefs", at=3)),
            "newest weights",
            id="the old weights still",
        ),
        pytest.param(found(condition("Accepted")), "newest weights", id="half an answer"),
        pytest.param(
            found(condition("Accepted", "False", message="no matching listener hostname"), condition("ResolvedRefs")),
            "does not take the route: no matching listener hostname",
            id="refused, with the controller's words",
        ),
        pytest.param(
            found(condition("Accepted"), condition("ResolvedRefs", "False")),
            "does not take the route: Because",
            id="refused without words",
        ),
    ],
)
def test_what_a_gateway_says(seen: dict[str, Any], words: str) -> None:
    """A step counts from when the traffic follows; and who has to change something must read what."""
    told = gateway.objection(seen)
    assert words in told
    assert bool(told) is bool(words)


def test_a_gateway_of_the_same_namespace() -> None:
    """The status names the namespace that the spec leaves out, or leaves it out as well."""
    for told in ({"name": "local"}, {"name": "local", "namespace": "team-a"}):
        body = copy.deepcopy(route(parentRefs=[{"name": "local"}]))
        answer = {"parentRef": told, "conditions": [condition("Accepted"), condition("ResolvedRefs")]}
        assert gateway.objection({**body, "status": {"parents": [answer]}}) == ""


def test_who_has_never_taken_the_route_passes_nothing_on() -> None:
    """A share that is given back needs no Gateway that is not there; one that has taken it must have heard of it."""
    found = route(0)
    found["metadata"]["generation"] = 4
    found["metadata"]["creationTimestamp"] = format_timestamp(NOW)
    assert gateway.objection(found)
    assert gateway.share_given_back(found, NOW)
    found["status"] = {"parents": [{"parentRef": found["spec"]["parentRefs"][0], "conditions": []}]}
    assert not gateway.share_given_back(found, NOW)


@pytest.mark.parametrize("type_", ["Accepted", "ResolvedRefs"])
def test_who_refuses_the_route_passes_nothing_on(type_: str) -> None:
    """Of two Gateways one may not have it: no candidate had ever gone, and no other one had ever come."""
    conditions = [condition(one, "False" if one == type_ else "True") for one in ("Accepted", "ResolvedRefs")]
    body = found(*conditions)
    assert gateway.objection(body)
    assert gateway.share_given_back(body, NOW)


def test_nobody_waits_for_ever_for_a_gateway_that_says_nothing_any_more() -> None:
    """One that was deleted leaves its last words in the route's status: of other weights."""
    body = found(condition("Accepted", at=3), condition("ResolvedRefs", at=3))
    written = {"manager": "modelops", "operation": "Apply", "time": format_timestamp(NOW - timedelta(seconds=100))}
    later = {"manager": "a-gateway", "operation": "Update", "time": format_timestamp(NOW)}
    body["metadata"] |= {
        "creationTimestamp": format_timestamp(NOW - timedelta(days=1)),
        "managedFields": [written, later],
    }
    assert not gateway.share_given_back(body, NOW)
    assert gateway.share_given_back(body, NOW + timedelta(seconds=60))
