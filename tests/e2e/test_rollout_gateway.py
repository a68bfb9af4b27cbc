"""Rollouts by the weights of an HTTPRoute, with the real API. The test plays the Gateway's controller."""

import json

import pytest

from support import scripted_model
from support.real_cluster import Body, Space, condition, has

GATEWAY = {"parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": ["models.example"]}
ROLLOUT = {"steps": [{"weight": 30, "hold": "2s"}]}


pytestmark = pytest.mark.usefixtures("gateway_api")


def test_a_rollout_step_takes_effect_once_the_gateway_has_accepted_the_weights(space: Space) -> None:
    """A step starts only once the Gateway has accepted the route with its weights.

    After the promotion the stable version has all the weight. Removing `spec.gateway` deletes the route.
    """
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT, gateway=GATEWAY))
    refused = space.wait("inferenceservice", "isvc", has("Reconciling", "True", "RouteNotAccepted"), within=120)
    assert 'Gateway "edge" has not accepted the route' in _message(refused)
    assert _weights(space) == {"isvc": 100, "isvc-candidate": 0}
    _accept_route(space)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=30)

    space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT, gateway=GATEWAY))
    space.wait("httproute", "isvc", lambda route: _weights_of(route) == {"isvc": 70, "isvc-candidate": 30}, within=90)
    waits_for = 'waiting for traffic to shift to 30%; Gateway "edge" has not processed the latest weights yet'
    waiting = space.wait("inferenceservice", "isvc", lambda body: waits_for in _message(body), within=30)
    assert "stepSince" not in waiting["status"]["candidate"]
    _accept_route(space)
    space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=30)
    space.wait("httproute", "isvc", lambda route: _weights_of(route) == {"isvc": 100, "isvc-candidate": 0}, within=60)
    _accept_route(space)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=60)

    space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
    space.cluster.gone("httproute", "isvc", space.name)


def _message(body: Body) -> str:
    ready = condition(body, "Ready")
    return str(ready["message"]) if ready is not None else ""


def _weights(space: Space) -> dict[str, int]:
    return _weights_of(space.get("httproute", "isvc"))


def _weights_of(route: Body) -> dict[str, int]:
    return {backend["name"]: backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"]}


def _accept_route(space: Space) -> None:
    """Write the status that a Gateway's controller writes for a route that it has accepted."""
    route = space.get("httproute", "isvc")
    accepted = {
        "status": "True",
        "observedGeneration": route["metadata"]["generation"],
        "lastTransitionTime": "2026-11-05T12:00:00Z",
        "reason": "Accepted",
        "message": "",
    }
    parent = {
        "parentRef": route["spec"]["parentRefs"][0],
        "controllerName": "gateways.example/test",
        "conditions": [{**accepted, "type": "Accepted"}, {**accepted, "type": "ResolvedRefs"}],
    }
    patch = json.dumps({"status": {"parents": [parent]}})
    space.cluster.kubectl(
        "patch", "httproute", "isvc", "-n", space.name, "--subresource=status", "--type=merge", "-p", patch
    )
