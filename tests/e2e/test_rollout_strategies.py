"""Blue/green, shadow and Pod by Pod: each its own way, none of them with a lost request."""

from support import scripted_model
from support.real_cluster import Body, Space, condition, has
from support.traffic import Traffic

ANALYSIS = {"interval": "1s", "minRequests": 5, "errorRate": {"max": 0.01}, "latency": [{"quantile": 0.5, "max": "1s"}]}


def test_blue_green_moves_everything_at_once(space: Space) -> None:
    """The candidate stands ready with all its Pods and copies of requests first, then it gets everything, and the old
    Pods stay until it has been watched.
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


def test_a_shadow_answers_nobody_and_is_discarded(space: Space) -> None:
    """It gets copies of all requests and is judged by them; then it goes, and its evidence stays."""
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2", failEvery=2))
    analysis = {**ANALYSIS, "errorRate": {"max": 0.9}}
    rollout = {"strategy": "Shadow", "shadow": {"duration": "4s", "then": "Discard"}, "analysis": analysis}
    space.apply(scripted_model.service(space, "v1", rollout=rollout))
    space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=120)
    with Traffic(
        scripted_model.address(space), scripted_model.PATH, scripted_model.REQUEST, clients=4, pause=0.03
    ) as traffic:
        space.apply(scripted_model.service(space, "v2", rollout=rollout))
        gone = space.wait("inferenceservice", "isvc", has("Ready", reason="Discarded"), within=90)
    assert traffic.failures == []
    assert set(traffic.answers) == {"v1"}
    (entry,) = gone["status"]["failed"]
    assert entry["reason"] == "Discarded"
    assert entry["analysis"]["candidate"]["requests"] >= 5
    assert entry["analysis"]["candidate"]["errors"] >= 1


def test_pods_are_replaced_one_by_one_and_back(space: Space) -> None:
    """Without a rollout in the spec. In the middle a pause leaves Pods of both, and then the stable version is applied
    again, whose Pods come back before the others go.
    """
    space.apply(scripted_model.version(space, "v1"), scripted_model.version(space, "v2"))
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
        wanted = _replicas(space)
        traffic.shares(6)
        assert _replicas(space) == wanted
        assert min(wanted["v1"], wanted["v2"]) > 0
        scripted_model.annotate(space, pause="false")
        space.apply(scripted_model.service(space, "v1", replicas=3))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v1"), within=90)
        space.apply(scripted_model.service(space, "v2", replicas=3))
        space.wait("inferenceservice", "isvc", scripted_model.serves("v2"), within=90)
    assert traffic.failures == []
    names = {one["metadata"]["labels"]["modelops.dev/modelversion"] for one in space.listed("deployments")}
    assert names == {"v2"}


def _is_paused(body: Body) -> bool:
    ready = condition(body, "Ready")
    return ready is not None and "waiting for the annotation modelops.dev/pause to be removed" in ready["message"]


def _replicas(space: Space) -> dict[str, int]:
    """How many Pods each version shall have."""
    deployments = space.listed("deployments")
    return {one["metadata"]["labels"]["modelops.dev/modelversion"]: one["spec"]["replicas"] for one in deployments}
