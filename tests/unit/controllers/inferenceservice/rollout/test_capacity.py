"""Nobody gets requests that there are no Pods for: what autoscalers may do in a rollout, and what is kept ready."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.rollout import Rollout
from modelops.controllers.inferenceservice.rollout.state_machine import course
from modelops.controllers.inferenceservice.traffic.capacity import pods_for, share_of
from modelops.controllers.inferenceservice.traffic.steps import Stage, stages
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster
from support.rollout_states import scene

V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b")
SERVICE = inference_service(pinned="mortgage-1")
R1, R2 = revision_of(SERVICE, V1), revision_of(SERVICE, V2)
SCALED: Json = {"min": 2, "max": 10, "targetCPU": 50}
CANARY: Json = {"steps": [{"weight": 50, "hold": "60s"}, {"weight": 80}]}


def scaled_to(replicas: int, rollout: Json = CANARY) -> Cluster:
    """Version 1 serves with so many Pods, as its autoscaler has decided, and version 2 is wanted."""
    service = inference_service(pinned="mortgage-1", replicas=SCALED, rollout=rollout)
    cluster = Cluster(service, [V1])
    cluster.settle(3)
    scale(cluster, R1, replicas)
    cluster.settle(3)
    cluster.want_version(V2)
    return cluster


def scale(cluster: Cluster, revision: str, replicas: int) -> None:
    """An autoscaler wants so many Pods, and gets what its bounds let it have."""
    least, most = bounds(cluster, revision)
    deployment = cluster.object("Deployment", f"mortgage-{revision}")
    assert deployment is not None
    cluster.write({**deployment, "spec": {**deployment["spec"], "replicas": min(max(replicas, least), most)}})


def bounds(cluster: Cluster, revision: str) -> tuple[int, int]:
    """The least and the most Pods that a revision's autoscaler may leave."""
    body = cluster.object("HorizontalPodAutoscaler", f"mortgage-{revision}")
    assert body is not None
    return body["spec"]["minReplicas"], body["spec"]["maxReplicas"]


def test_an_autoscaler_takes_no_pod_that_is_only_spared_for_now() -> None:
    """With half of the requests the stable version needs half of its Pods, and so the candidate's share of them
    would be half of what it takes; and whoever rolls back would find half a service.
    """
    cluster = scaled_to(8)
    cluster.settle(1)
    assert bounds(cluster, R1) == (2, 10), "it answers everything, and is scaled as ever"
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
    cluster.ask(promote="1")
    cluster.settle(6)
    assert cluster.answered().by == {R2: 1}
    assert cluster.count(R2) == 8
    assert bounds(cluster, R2) == (2, 10)
    assert cluster.object("HorizontalPodAutoscaler", f"mortgage-{R1}") is None


def test_who_rolls_back_finds_all_pods() -> None:
    """A BlueGreen is watched for a while with no request for the old Pods, which are the way back."""
    rollout: Json = {"strategy": "BlueGreen", "blueGreen": {"hold": "1s", "watch": "1h"}}
    cluster = scaled_to(6, rollout)
    for _ in range(6):
        cluster.settle(2)
        cluster.wait(60)
    assert cluster.answered().by == {R2: 1}
    scale(cluster, R1, 0)
    cluster.ask(abort="no")
    cluster.look()
    scale(cluster, R1, 0)
    cluster.settle(3)
    assert cluster.answered().by == {R1: 1}
    assert cluster.count(R1) == 6


def test_a_rollout_that_begins_anew_keeps_its_pods_until_it_gets_less() -> None:
    """Its way was changed in the middle. Until the proxies have heard of it the candidate gets its old share."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=10, rollout=CANARY), [V1])
    cluster.settle(4)
    cluster.want_version(V2)
    cluster.settle(6)
    assert cluster.answered().by == pytest.approx({R1: 0.5, R2: 0.5})
    cluster.want(rollout={"steps": [{"weight": 10}]})
    for _ in range(3):
        cluster.look()
        assert cluster.answered().by == pytest.approx({R1: 0.5, R2: 0.5})
        assert cluster.count(R2) == 5
    cluster.settle(6)
    assert cluster.answered().by == pytest.approx({R1: 0.9, R2: 0.1})
    assert cluster.count(R2) == 1


def test_an_autoscaler_may_give_a_candidate_more() -> None:
    """It is as busy as its requests make it, up to the most that the spec allows."""
    cluster = scaled_to(8)
    cluster.settle(4)
    scale(cluster, R2, 9)
    cluster.settle(3)
    assert cluster.count(R2) == 9


@pytest.mark.parametrize(
    ("stage", "full", "pods"),
    [
        (Stage(1, 0, None), 1, 1),
        (Stage(0, 0, None), 10, 1),
        (Stage(20, 0, None), 10, 2),
        (Stage(21, 0, None), 10, 3),
        (Stage(100, 0, None), 10, 10),
        (Stage(0, 100, None), 10, 10),
        (Stage(0, 25, None), 10, 3),
        (Stage(50, 50, None), 10, 8),
        (Stage(50, 100, None), 7, 7),
    ],
)
def test_the_pods_of_a_share(stage: Stage, full: int, pods: int) -> None:
    """Rounded up, and one at least; copies of the other requests are requests too."""
    assert pods_for(stage, full) == pods


@pytest.mark.parametrize(("ready", "others", "share"), [(0, 0, 0), (0, 5, 0), (1, 2, 33), (3, 0, 100)])
def test_the_share_of_pods_behind_one_service(ready: int, others: int, share: int) -> None:
    """As many as there are of them."""
    assert share_of(ready, others) == share


WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=6, unique=True).map(sorted)


@given(
    WEIGHTS,
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 90), st.booleans(), st.sampled_from(["", "promote", "full"]))
    ),
    st.integers(1, 12),
    st.sampled_from([0, 50, 100]),
)
def test_no_share_without_pods(
    weights: list[int], looks: list[tuple[int, int, bool, str]], full: int, mirror: int
) -> None:
    """Whatever Pods come and go, and whatever people ask: a share rises only to what the Pods that answer carry, and a
    candidate never goes back a step.
    """
    steps = [{"weight": weight, "hold": "30s"} for weight in weights]
    rollout: Json = {"steps": steps, **({"mirror": {"percent": mirror}} if mirror else {})}
    way = stages(Rollout.model_validate(rollout))
    current = scene(rollout)
    for ready, seconds, follows, word in looks:
        asked = current.requests.__class__(promote=word == "promote", promote_full=word == "full")
        now = current.now.__class__.fromtimestamp(current.now.timestamp() + seconds, current.now.tzinfo)
        current = type(current)(
            **{**vars(current), "ready": ready, "follows": follows, "full": full, "requests": asked, "now": now}
        )
        move = course(current)
        before, after = current.candidate, move.candidate
        assert after.step >= before.step
        assert after.weight >= before.weight
        if after.weight != before.weight:
            (stage,) = [one for one in way if one.weight == after.weight]
            assert ready >= pods_for(stage, full)
        if move.end is not None:
            assert ready >= full
            return
        current = type(current)(**{**vars(current), "candidate": after})
