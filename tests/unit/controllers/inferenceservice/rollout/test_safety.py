"""What must hold after every write of a rollout, wherever the operator ends.

A Pod answers each request, no request is forwarded in a circle, and no Pod is deleted while it gets requests.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops.machinery.plan import Delete
from modelops.machinery.resources import Key
from support.builders.common import NAMESPACE
from support.builders.inferenceservices import Json, inference_service, revision_of
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
SERVICE = inference_service(pinned="mortgage-1")
R1, R2, R3 = (revision_of(SERVICE, each) for each in (V1, V2, V3))
CANARY: Json = {"steps": [{"weight": 20, "hold": "5s"}, {"weight": 60}]}
ALL_AT_ONCE: Json = {"steps": [{"weight": 100, "hold": "5s"}]}
SHADOW: Json = {"strategy": "Shadow", "shadow": {"duration": "5s", "then": "Promote"}}
BLUE_GREEN: Json = {
    "strategy": "BlueGreen",
    "mirror": {"percent": 50},
    "blueGreen": {"hold": "2s", "watch": "5s"},
}


def serving(rollout: Json | None = None, replicas: int | Json = 4, **more: object) -> Cluster:
    """Return a cluster where version 1 serves with all of its Pods."""
    service = inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout, **more)  # type: ignore[arg-type]
    cluster = Cluster(service, [V1])
    cluster.settle(4)
    stable = cluster.service.status.stable
    assert stable is not None
    assert stable.ready == stable.replicas
    assert cluster.answered().by == {R1: 1}
    return cluster


def rolling_out(rollout: Json | None = None, replicas: int | Json = 4, *, settled: int = 0) -> Cluster:
    """Return a cluster where version 2 is selected, and has been rolled out for `settled` reconciles."""
    cluster = serving(rollout, replicas)
    cluster.select(V2)
    if settled:
        cluster.settle(settled)
    return cluster


@pytest.mark.parametrize(
    "rollout",
    [CANARY, ALL_AT_ONCE, SHADOW, BLUE_GREEN],
    ids=["Canary with 20%", "Canary with 100%", "Shadow", "BlueGreen with mirrored requests"],
)
@pytest.mark.parametrize("requests", [{}, {"promote_full": "1"}], ids=["step by step", "with a full promotion"])
def test_requests_are_never_forwarded_in_a_circle(rollout: Json, requests: dict[str, str]) -> None:
    """The candidate's Service selects the stable Pods until there is a candidate.

    Stable Pods that forward requests before the Service is switched would forward them to themselves: with a weight of
    100%, or with all requests mirrored, without an end.
    """
    cluster = rolling_out(rollout)
    cluster.annotate(**requests)
    for _ in range(12):
        for write in cluster.writes(decided := cluster.decide()):
            cluster.write(write)
            cluster.use_routes()
            answered = cluster.answered()
            assert answered.lost == 0
            assert answered.circling == 0
            assert not cluster.mirrors_circle()
            if R2 not in cluster.revisions() or not cluster.count(R2):
                assert answered.by == {R1: 1}
        cluster.write_status(decided)
        cluster.start()
        cluster.ready(at_most=1)
        cluster.wait(3)


def test_a_former_candidate_is_deleted_before_a_rolling_update_begins() -> None:
    """The stable Pods still forward requests to the former candidate.

    Its Pods must not be scaled down, nor its Service switched, before they stop.
    """
    cluster = rolling_out(CANARY, settled=4)
    assert cluster.answered().by == pytest.approx({R1: 0.8, R2: 0.2})
    cluster.change_spec(rollout=None)
    cluster.select(V3)
    for _ in range(3):
        cluster.reconcile()
        cluster.start()
        assert cluster.answered().by == pytest.approx({R1: 0.8, R2: 0.2}), "the proxies do not use the new routes yet"
        assert R3 not in cluster.revisions()
    assert cluster.decide().conditions[0].message == "waiting for the former candidate to be deleted"
    cluster.use_routes()
    cluster.reconcile()
    assert cluster.revisions() == {R1}
    cluster.settle(12)
    assert cluster.answered().by == {R3: 1}
    assert cluster.revisions() == {R3}


def test_no_old_pod_is_deleted_before_the_service_selects_the_new_one() -> None:
    """Deployments are written before the Service: an operator that ends between the two must not leave a Pod short."""
    cluster = rolling_out(CANARY, settled=3)
    cluster.change_spec(rollout=None)
    assert cluster.count(R2) > 0
    for write in cluster.writes(cluster.decide()):
        cluster.write(write)
        selected = {R1, R2} if cluster.selects() is None else {R1}
        assert sum(map(cluster.count, selected)) >= 4


@pytest.mark.parametrize("deleted", [False, True], ids=["its Deployment exists", "its Deployment is deleted"])
@pytest.mark.parametrize("to", [ALL_AT_ONCE, None], ids=["stepped", "rolling update"])
def test_the_candidates_service_stays_while_requests_may_be_forwarded(deleted: bool, to: Json | None) -> None:
    """The stable version is selected again.

    If the candidate's Service selected the stable Pods before their proxies use the new routes, the Pods would forward
    all requests to themselves.
    """
    cluster = rolling_out(ALL_AT_ONCE, settled=4)
    assert cluster.answered().by == {R2: 1}
    for revision in (R1, R2):
        cluster.ready(revision, at_most=1, answers=False)
    cluster.change_spec(rollout=to)
    cluster.reconcile()
    if deleted:
        cluster.write(Delete(Key("Deployment", NAMESPACE, f"mortgage-{R2}")))
    cluster.select(V1)
    for _ in range(3):
        cluster.reconcile()
        assert cluster.answered().circling == 0
        assert cluster.selects("mortgage-candidate") == R2
    cluster.use_routes()
    cluster.settle(6)
    assert cluster.answered().by == {R1: 1}
    assert cluster.revisions() == {R1}


@pytest.mark.parametrize("rollout", [CANARY, ALL_AT_ONCE], ids=["with 20% of traffic", "with 100% of traffic"])
def test_a_candidate_without_a_ready_pod_gets_no_requests(rollout: Json) -> None:
    """The candidate's node is lost during a hold: the stable Pods all exist, and answer meanwhile."""
    cluster = rolling_out(rollout, settled=5)
    before = cluster.answered().by
    cluster.ready(R2, answers=False)
    assert cluster.answered().lost > 0
    cluster.reconcile()
    cluster.use_routes()
    assert cluster.answered().by == {R1: 1}
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert candidate.step == 1
    cluster.ready(R2)
    cluster.reconcile()
    cluster.use_routes()
    assert cluster.answered().by == before


@pytest.mark.parametrize("terminate", [True, False], ids=["its Pods terminate", "its node is lost"])
@pytest.mark.parametrize("failed", [True, False], ids=["it was rolled back", "it was superseded"])
def test_a_candidate_waits_for_the_last_pod_of_the_former_candidate(failed: bool, terminate: bool) -> None:
    """Proxies keep connections to a Pod that terminates.

    With traffic too early, version 3 would be analysed by responses of version 2, and clients would get them.
    """
    cluster = rolling_out(CANARY, settled=6)
    assert cluster.answered().by.keys() == {R1, R2}
    cluster.lingering = timedelta(seconds=30)
    if failed:
        cluster.annotate(abort="1")
        cluster.settle(4)
    cluster.select(V3)
    for _ in range(6):
        cluster.reconcile()
        cluster.start()
        cluster.ready(R3)
        cluster.use_routes()
        assert cluster.selects("mortgage-candidate") != R3
        assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.conditions[0].message.endswith(
        "waiting for the Pods of a former candidate to terminate"
    )
    if terminate:
        cluster.pods = {name: pod for name, pod in cluster.pods.items() if "deletionTimestamp" not in pod["metadata"]}
    else:
        cluster.wait(36)
    for _ in range(6):
        cluster.reconcile()
        cluster.use_routes()
    assert cluster.answered().by.keys() == {R1, R3}


STRATEGIES = st.sampled_from([None, CANARY, ALL_AT_ONCE, BLUE_GREEN, SHADOW])
EVENTS = st.one_of(
    st.tuples(st.just("reconcile"), st.integers(0, 12)),
    st.tuples(st.just("ready"), st.integers(1, 4)),
    st.tuples(st.just("wait"), st.sampled_from([1, 6])),
    st.tuples(st.just("use routes"), st.integers(1, 3)),
    st.tuples(st.just("start"), st.none()),
    st.tuples(st.just("version"), st.sampled_from([V1, V2, V3])),
    st.tuples(st.just("rollout"), STRATEGIES),
    st.tuples(st.just("annotate"), st.sampled_from(["promote", "promote_full", "abort", "retry"])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), STRATEGIES, st.lists(EVENTS, min_size=15, max_size=60))
def test_any_events_in_any_order(full_size: int, rollout: Json | None, story: list[tuple[str, Any]]) -> None:
    """Enough Pods answer each request at any time, and in the end the selected version serves alone.

    Versions, strategies and requests change at any time, Pods and proxies are late, and the operator ends after any
    write.
    """
    cluster = serving(rollout, full_size)
    for number, (event, argument) in enumerate(story):
        if event == "reconcile":
            decided = cluster.decide()
            writes = cluster.writes(decided)
            for write in writes[: argument or len(writes)]:
                cluster.write(write)
                check(cluster, full_size)
            if not argument:
                cluster.write_status(decided)
        elif event == "ready":
            cluster.ready(at_most=argument)
        elif event == "wait":
            cluster.wait(argument)
        elif event == "use routes":
            cluster.use_routes(every=argument)
        elif event == "start":
            cluster.start()
        elif event == "version":
            cluster.select(argument)
        elif event == "rollout":
            cluster.change_spec(rollout=argument)
        else:
            cluster.annotate(**{argument: str(number)})
        check(cluster, full_size)
    cluster.select(V3)
    for number in range(30):
        cluster.annotate(promote=f"at last {number}")
        cluster.settle(2)
        cluster.wait(7)
    assert len(cluster.revisions()) == 1
    assert cluster.answered().by == {R3: 1} or cluster.service.status.failed


def check(cluster: Cluster, full_size: int) -> None:
    """Assert what must hold at any time. No node is lost in these stories: the operator has deleted missing Pods."""
    answered = cluster.answered()
    assert (answered.lost, answered.circling) == (0, 0)
    assert not cluster.mirrors_circle()
    if cluster.selects() is None:
        assert sum(map(cluster.count, cluster.revisions())) >= full_size
        return
    for revision, ratio in answered.by.items():
        assert cluster.count(revision) >= ratio * full_size - 0.999, revision
