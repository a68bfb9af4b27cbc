"""No candidate gets requests without the Pods for them: what autoscalers may do, and which Pods are kept ready."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.rollout.annotations import Requests
from modelops.controllers.inferenceservice.rollout.transitions import transition
from modelops.controllers.inferenceservice.traffic.capacity import pods_for, weight_of
from modelops.controllers.inferenceservice.traffic.steps import Step, steps
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster
from support.controllers.rollout_states import rollout_state

V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b")
SERVICE = inference_service(pinned="mortgage-1")
R1, R2 = revision_of(SERVICE, V1), revision_of(SERVICE, V2)
SCALED: Json = {"min": 2, "max": 10, "targetCPU": 50}
CANARY: Json = {"steps": [{"weight": 50, "hold": "60s"}, {"weight": 80}]}


def scaled_to(replicas: int, rollout: Json = CANARY) -> Cluster:
    """Return a cluster whose autoscaler has given version 1 this many Pods, and where version 2 is selected."""
    service = inference_service(pinned="mortgage-1", replicas=SCALED, rollout=rollout)
    cluster = Cluster(service, [V1])
    cluster.settle(3)
    scale(cluster, R1, replicas)
    cluster.settle(3)
    cluster.select(V2)
    return cluster


def scale(cluster: Cluster, revision: str, replicas: int) -> None:
    """Scale a revision as its autoscaler would, within the autoscaler's bounds."""
    minimum, maximum = bounds(cluster, revision)
    deployment = cluster.object("Deployment", f"mortgage-{revision}")
    assert deployment is not None
    cluster.write({**deployment, "spec": {**deployment["spec"], "replicas": min(max(replicas, minimum), maximum)}})


def bounds(cluster: Cluster, revision: str) -> tuple[int, int]:
    """Return the bounds of a revision's autoscaler."""
    body = cluster.object("HorizontalPodAutoscaler", f"mortgage-{revision}")
    assert body is not None
    return body["spec"]["minReplicas"], body["spec"]["maxReplicas"]


def test_an_autoscaler_removes_no_pod_that_is_idle_only_for_now() -> None:
    """With half of the requests the stable version needs half of its Pods.

    Without them, the candidate's Pods would be computed from half of what all requests take, and a rollback would find
    half a service.
    """
    cluster = scaled_to(8)
    cluster.settle(1)
    assert bounds(cluster, R1) == (2, 10), "it answers all requests, and scales as before"
    cluster.settle(4)
    assert cluster.answered().by == pytest.approx({R1: 0.5, R2: 0.5})
    assert bounds(cluster, R1) == (8, 10)
    assert bounds(cluster, R2) == (4, 10)
    for _ in range(8):
        scale(cluster, R1, 0)
        scale(cluster, R2, 0)
        cluster.settle(2)
        cluster.wait(30)
    assert cluster.answered().by == pytest.approx({R1: 0.2, R2: 0.8})
    assert (cluster.count(R1), cluster.count(R2)) == (8, 7)
    cluster.annotate(promote="1")
    cluster.settle(6)
    assert cluster.answered().by == {R2: 1}
    assert cluster.count(R2) == 8
    assert bounds(cluster, R2) == (2, 10)
    assert cluster.object("HorizontalPodAutoscaler", f"mortgage-{R1}") is None


def test_a_rollback_finds_all_pods_of_the_stable_version() -> None:
    """While a BlueGreen is watched the stable Pods get no requests, and are the way back."""
    rollout: Json = {"strategy": "BlueGreen", "blueGreen": {"hold": "1s", "watch": "1h"}}
    cluster = scaled_to(6, rollout)
    for _ in range(6):
        cluster.settle(2)
        cluster.wait(60)
    assert cluster.answered().by == {R2: 1}
    scale(cluster, R1, 0)
    cluster.annotate(abort="no")
    cluster.reconcile()
    scale(cluster, R1, 0)
    cluster.settle(3)
    assert cluster.answered().by == {R1: 1}
    assert cluster.count(R1) == 6


def test_a_rollout_that_starts_again_keeps_its_pods_until_its_weight_is_smaller() -> None:
    """The strategy changed during a rollout. Until the proxies use new routes, the candidate gets its old weight."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=10, rollout=CANARY), [V1])
    cluster.settle(4)
    cluster.select(V2)
    cluster.settle(6)
    assert cluster.answered().by == pytest.approx({R1: 0.5, R2: 0.5})
    cluster.change_spec(rollout={"steps": [{"weight": 10}]})
    for _ in range(3):
        cluster.reconcile()
        assert cluster.answered().by == pytest.approx({R1: 0.5, R2: 0.5})
        assert cluster.count(R2) == 5
    cluster.settle(6)
    assert cluster.answered().by == pytest.approx({R1: 0.9, R2: 0.1})
    assert cluster.count(R2) == 1


def test_an_autoscaler_may_give_a_candidate_more_pods() -> None:
    """The candidate is as busy as its requests make it, up to the maximum of the spec."""
    cluster = scaled_to(8)
    cluster.settle(4)
    scale(cluster, R2, 9)
    cluster.settle(3)
    assert cluster.count(R2) == 9


@pytest.mark.parametrize(
    ("step", "full_size", "pods"),
    [
        (Step(weight=1, mirror=0, hold=None), 1, 1),
        (Step(weight=0, mirror=0, hold=None), 10, 1),
        (Step(weight=20, mirror=0, hold=None), 10, 2),
        (Step(weight=21, mirror=0, hold=None), 10, 3),
        (Step(weight=100, mirror=0, hold=None), 10, 10),
        (Step(weight=0, mirror=100, hold=None), 10, 10),
        (Step(weight=0, mirror=25, hold=None), 10, 3),
        (Step(weight=50, mirror=50, hold=None), 10, 8),
        (Step(weight=50, mirror=100, hold=None), 7, 7),
    ],
    ids=lambda value: f"{value.weight}% and {value.mirror}% mirrored" if isinstance(value, Step) else str(value),
)
def test_the_pods_of_a_step(step: Step, full_size: int, pods: int) -> None:
    """Rounded up, and one at least. Mirrored requests take Pods too."""
    assert pods_for(step, full_size) == pods


@pytest.mark.parametrize(("ready", "others", "weight"), [(0, 0, 0), (0, 5, 0), (1, 2, 33), (3, 0, 100)])
def test_the_weight_of_pods_behind_one_service(ready: int, others: int, weight: int) -> None:
    """Every ready Pod gets as many requests as any other."""
    assert weight_of(ready, others) == weight


WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=6, unique=True).map(sorted)


@given(
    WEIGHTS,
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 90), st.booleans(), st.sampled_from(["", "promote", "full"]))
    ),
    st.integers(1, 12),
    st.sampled_from([0, 50, 100]),
)
def test_no_weight_without_the_pods_for_it(
    weights: list[int], reconciles: list[tuple[int, int, bool, str]], full_size: int, mirror: int
) -> None:
    """Whatever Pods start and terminate, and whatever persons request.

    A weight rises only to what the ready Pods carry, and a candidate never returns to an earlier step.
    """
    canary = [{"weight": weight, "hold": "30s"} for weight in weights]
    rollout: Json = {"steps": canary, **({"mirror": {"percent": mirror}} if mirror else {})}
    all_steps = steps(Rollout.model_validate(rollout))
    state = rollout_state(rollout, full_size=full_size)
    for ready, seconds, shifted, word in reconciles:
        state = replace(
            state,
            candidate=state.candidate.model_copy(update={"ready": ready}),
            traffic_shifted=shifted,
            requests=Requests(promote=word == "promote", promote_full=word == "full"),
            now=state.now + timedelta(seconds=seconds),
        )
        moved = transition(state)
        before, after = state.candidate, moved.candidate
        assert after.step >= before.step
        assert after.weight >= before.weight
        if after.weight != before.weight:
            (step,) = [step for step in all_steps if step.weight == after.weight]
            assert ready >= pods_for(step, full_size)
        if moved.outcome is not None:
            assert ready >= full_size
            return
        state = replace(state, candidate=after)
