"""Behind a Gateway an HTTPRoute has the weights. The API is the real one; the test takes the Gateway's part."""

import json

import pytest

from support import scripted_model
from support.real_cluster import Body, Space, condition, has

GATEWAY = {"parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": ["models.example"]}
ROLLOUT = {"steps": [{"weight": 30, "hold": "2s"}]}


pytestmark = pytest.mark.usefixtures("gateway_api")


def test_an_http_route_has_the_weights(space: Space) -> None:
    """A step takes effect only when the Gateway has taken the route; the weights are gone after the promotion, and the
    route goes with `gateway`.
    """
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    space.apply(scripted_model.service(space, "v1", rollout=ROLLOUT, gateway=GATEWAY))
    refused = space.wait("inferenceservice", "isvc", has("Reconciling", "True", "RouteNotAccepted"), within=120)
    assert 'Gateway "edge" has not accepted the route' in _message(refused)
    assert _weights(space) == {"isvc": 100, "isvc-candidate": 0}
    _take(space)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=30)

    space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT, gateway=GATEWAY))
    space.wait("httproute", "isvc", lambda route: _of(route) == {"isvc": 70, "isvc-candidate": 30}, within=90)
    waits_for = 'waiting for traffic to shift to 30%; Gateway "edge" has not processed the latest weights yet'
    waiting = space.wait("inferenceservice", "isvc", lambda body: waits_for in _message(body), within=30)
    assert "stepSince" not in waiting["status"]["candidate"]
    _take(space)
    space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=30)
    space.wait("httproute", "isvc", lambda route: _of(route) == {"isvc": 100, "isvc-candidate": 0}, within=60)
    _take(space)
    space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=60)

    space.apply(scripted_model.service(space, "v2", rollout=ROLLOUT))
    space.cluster.gone("httproute", "isvc", space.name)


def _message(body: Body) -> str:
    ready = condition(body, "Ready")
    return str(ready["message"]) if ready is not None else ""


def _weights(space: Space) -> dict[str, int]:
    return _of(space.get("httproute", "isvc"))


def _of(route: Body) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}


def _take(space: Space) -> None:
    """What a Gateway's controller says of a route that it has taken."""
    route = space.get("httproute", "isvc")
    taken = {
        "status": "True",
        "observedGeneration": route["metadata"]["generation"],
        "lastTransitionTime": "2026-11-05T12:00:00Z",
        "reason": "Accepted",
        "message": "",
    }
    parent = {
        "parentRef": route["spec"]["parentRefs"][0],
        "controllerName": "gateways.example/test",
        "conditions": [{**taken, "type": "Accepted"}, {**taken, "type": "ResolvedRefs"}],
    }
    patch = json.dumps({"status": {"parents": [parent]}})
    space.cluster.kubectl(
        "patch", "httproute", "isvc", "-n", space.name, "--subresource=status", "--type=merge", "-p", patch
    )
