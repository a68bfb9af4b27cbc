"""Rollouts with the strategies BlueGreen and Shadow, and rolling updates, none with a lost request."""

import pytest

from support.cluster import scripted_model
from support.cluster.real_cluster import Body, Space, condition, has
from support.cluster.traffic import Traffic

MIN_REQUESTS = 5
ANALYSIS = {
    "interval": "1s",
    "minRequests": MIN_REQUESTS,
    "errorRate": {"max": 0.01},
    "latency": [{"quantile": 0.5, "max": "1s"}],
}


def test_a_blue_green_rollout_shifts_all_traffic_at_once(space: Space) -> None:
    """The candidate first has all its Pods and only mirrored requests, then all traffic.

    The old Pods stay until the end of `blueGreen.watch`.
    """
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
    rollout = {
        "strategy": "BlueGreen",
        "blueGreen": {"hold": "4s", "watch": "4s"},
        "mirror": {"percent": 100},
        "analysis": ANALYSIS,
    }
    space.apply(scripted_model.service(space, "v1", replicas=2, rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", replicas=2, rollout=rollout))
        blue = space.wait("inferenceservice", "isvc", scripted_model.in_step(1), within=60)
        assert (blue["status"]["candidate"]["weight"], blue["status"]["candidate"]["ready"]) == (0, 2)
        assert traffic.answers["v2"] == 0
        green = space.wait("inferenceservice", "isvc", scripted_model.in_step(2), within=60)
        assert green["status"]["candidate"]["weight"] == 100
        assert green["status"]["stable"]["ready"] == 2
        assert traffic.shares(1.5) == {"v2": 1.0}
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=60)
    assert traffic.failures == []


def test_a_shadow_candidate_answers_no_client_and_is_discarded(space: Space) -> None:
    """Mirrored requests alone are analyzed. Then the candidate is discarded, and its analysis stays in the status."""
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2", failEvery=2))
    analysis = {**ANALYSIS, "errorRate": {"max": 0.9}}
    rollout = {"strategy": "Shadow", "shadow": {"duration": "10s", "then": "Discard"}, "analysis": analysis}
    space.apply(scripted_model.service(space, "v1", rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=rollout))
        space.wait("inferenceservice", "isvc", _mirrored_requests_passed, within=60)
        discarded = space.wait("inferenceservice", "isvc", has("Ready", reason="Discarded"), within=90)
    assert traffic.failures == []
    assert set(traffic.answers) == {"v1"}
    (entry,) = discarded["status"]["failed"]
    assert entry["reason"] == "Discarded"
    # The last window may end with the shadow, after fewer requests than an analysis needs.
    assert entry["analysis"]["passes"] >= 1
    assert entry["analysis"]["candidate"]["requests"] >= 1
    assert entry["analysis"]["candidate"]["errors"] >= 1


def _mirrored_requests_passed(service: Body) -> bool:
    """Return whether an analysis passed on enough mirrored requests, some of which were errors."""
    analysis = service.get("status", {}).get("candidate", {}).get("analysis", {})
    figures = analysis.get("candidate", {})
    enough = figures.get("requests", 0) >= MIN_REQUESTS and figures.get("errors", 0) >= 1
    return bool(enough and analysis.get("outcome") == "Passed")


@pytest.mark.takes_minutes
def test_a_rolling_update_replaces_pods_one_by_one_and_can_be_reverted(space: Space) -> None:
    """Without `spec.rollout` Pods are replaced one by one, and a pause keeps Pods of both versions.

    When the stable version is selected again, its Pods are ready before the candidate's Pods are deleted.
    """
    # Each new Pod takes so long that the update is still under way when the pause comes.
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2", readyAfter=5))
    space.apply(scripted_model.service(space, "v1", replicas=3))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", replicas=3))
        traffic.answered_by("v2")
        middle = space.get("inferenceservice", "isvc")
        assert condition(middle, "Reconciling") is not None
        scripted_model.annotate(space, pause="true")
        space.wait("inferenceservice", "isvc", _is_paused, within=30)
        replicas = _replicas(space)
        traffic.shares(6)
        assert _replicas(space) == replicas
        assert min(replicas["v1"], replicas["v2"]) > 0
        scripted_model.annotate(space, pause="false")
        space.apply(scripted_model.service(space, "v1", replicas=3))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=90)
        space.apply(scripted_model.service(space, "v2", replicas=3))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
    assert traffic.failures == []
    assert _replicas(space).keys() == {"v2"}


def _is_paused(body: Body) -> bool:
    ready = condition(body, "Ready")
    return ready is not None and "waiting for the annotation modelops.dev/pause to be removed" in ready["message"]


def _replicas(space: Space) -> dict[str, int]:
    """Return `spec.replicas` of each version's Deployment."""
    deployments = space.listed("deployments")
    return {
        deployment["metadata"]["labels"]["modelops.dev/modelversion"]: deployment["spec"]["replicas"]
        for deployment in deployments
    }
