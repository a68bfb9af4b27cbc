"""What must hold at every write of a rollout, wherever the operator ends: somebody answers each request, nothing goes
round in circles, and no Pods are taken from requests that they still get.
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
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
SERVICE = inference_service(pinned="mortgage-1")
R1, R2, R3 = (revision_of(SERVICE, one) for one in (V1, V2, V3))
CANARY: Json = {"steps": [{"weight": 20, "hold": "5s"}, {"weight": 60}]}
ALL_AT_ONCE: Json = {"steps": [{"weight": 100, "hold": "5s"}]}
SHADOW: Json = {"strategy": "Shadow", "shadow": {"duration": "5s", "then": "Promote"}}
BLUE_GREEN: Json = {
    "strategy": "BlueGreen",
    "mirror": {"percent": 50},
    "blueGreen": {"hold": "2s", "watch": "5s"},
}


def serving(rollout: Json | None = None, replicas: int | Json = 4, **more: object) -> Cluster:
    """Version 1 serves with all of its Pods."""
    service = inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout, **more)  # type: ignore[arg-type]
    cluster = Cluster(service, [V1])
    cluster.settle(4)
    stable = cluster.service.status.stable
    assert stable is not None
    assert stable.ready == stable.replicas
    assert cluster.answered().by == {R1: 1}
    return cluster


def rolling_out(rollout: Json | None = None, replicas: int | Json = 4, *, settled: int = 0) -> Cluster:
    """And version 2 is wanted."""
    cluster = serving(rollout, replicas)
    cluster.want_version(V2)
    if settled:
        cluster.settle(settled)
    return cluster


@pytest.mark.parametrize(
    "rollout", [CANARY, ALL_AT_ONCE, SHADOW, BLUE_GREEN], ids=["20", "100", "copies", "copies, 100"]
)
@pytest.mark.parametrize("asked", [{}, {"promote_full": "1"}], ids=["by itself", "promoted in full"])
def test_requests_never_lead_back_to_who_passed_them_on(rollout: Json, asked: dict[str, str]) -> None:
    """The candidate's Service leads to the stable Pods until there is a candidate. Were they told to pass requests on
    before it has moved, those would come back to them: with all requests, or copies of all, without an end.
    """
    cluster = rolling_out(rollout)
    cluster.ask(**asked)
    for _ in range(12):
        for write in cluster.writes(decided := cluster.decide()):
            cluster.write(write)
            cluster.take()
            answered = cluster.answered()
            assert answered.lost == 0
            assert answered.circling == 0
            assert not cluster.copies_circle()
            if R2 not in cluster.revisions() or not cluster.count(R2):
                assert answered.by == {R1: 1}
        cluster.tell(decided)
        cluster.start()
        cluster.ready(at_most=1)
        cluster.wait(3)


def test_a_former_candidate_goes_before_a_version_replaces_another_pod_by_pod() -> None:
    """Its Pods were scaled to nothing, and the Service that leads to it was led on, while the stable Pods still passed
    a share of the requests on to it.
    """
    cluster = rolling_out(CANARY, settled=4)
    assert cluster.answered().by == pytest.approx({R1: 0.8, R2: 0.2})
    cluster.want(rollout=None)
    cluster.want_version(V3)
    for _ in range(3):
        cluster.look()
        cluster.start()
        assert cluster.answered().by == pytest.approx({R1: 0.8, R2: 0.2}), "the proxies have not heard of it yet"
        assert R3 not in cluster.revisions()
    assert cluster.decide().conditions[0].message == "a former candidate goes first"
    cluster.take()
    cluster.look()
    assert cluster.revisions() == {R1}
    cluster.settle(12)
    assert cluster.answered().by == {R3: 1}
    assert cluster.revisions() == {R3}


def test_no_old_pod_goes_before_the_service_leads_to_the_new_one() -> None:
    """The Deployments are written before the Service: an operator that ends between the two would leave a Pod short."""
    cluster = rolling_out(CANARY, settled=3)
    cluster.want(rollout=None)
    assert cluster.count(R2) > 0
    for write in cluster.writes(cluster.decide()):
        cluster.write(write)
        behind = {R1, R2} if cluster.leads_to() is None else {R1}
        assert sum(map(cluster.count, behind)) >= 4


@pytest.mark.parametrize("deleted", [False, True], ids=["as it is", "without its Deployment"])
@pytest.mark.parametrize("to", [ALL_AT_ONCE, None], ids=["in steps", "Pod by Pod"])
def test_the_candidates_service_stays_while_requests_may_be_passed_on(deleted: bool, to: Json | None) -> None:
    """The version is taken back. Should the candidate's Service lead to the stable Pods before their proxies have heard
    of it, those would pass all requests to themselves.
    """
    cluster = rolling_out(ALL_AT_ONCE, settled=4)
    assert cluster.answered().by == {R2: 1}
    for revision in (R1, R2):
        cluster.ready(revision, at_most=1, answers=False)
    cluster.want(rollout=to)
    cluster.look()
    if deleted:
        cluster.write(Delete(Key("Deployment", NAMESPACE, f"mortgage-{R2}")))
    cluster.want_version(V1)
    for _ in range(3):
        cluster.look()
        assert cluster.answered().circling == 0
        assert cluster.leads_to("mortgage-candidate") == R2
    cluster.take()
    cluster.settle(6)
    assert cluster.answered().by == {R1: 1}
    assert cluster.revisions() == {R1}


@pytest.mark.parametrize("rollout", [CANARY, ALL_AT_ONCE], ids=["a share", "all"])
def test_a_candidate_of_which_no_pod_answers_gets_no_requests(rollout: Json) -> None:
    """Its node is lost in the middle of an hour's hold: the stable Pods are all there, and answer for it meanwhile."""
    cluster = rolling_out(rollout, settled=5)
    shares = cluster.answered().by
    cluster.ready(R2, answers=False)
    assert cluster.answered().lost > 0
    cluster.look()
    cluster.take()
    assert cluster.answered().by == {R1: 1}
    candidate = cluster.service.status.candidate
    assert candidate is not None
    assert candidate.step == 1
    cluster.ready(R2)
    cluster.look()
    cluster.take()
    assert cluster.answered().by == shares


@pytest.mark.parametrize("ends", [True, False], ids=["they end", "their node is lost"])
@pytest.mark.parametrize("failed", [True, False], ids=["rolled back", "superseded"])
def test_a_candidate_waits_for_the_last_pods_of_the_one_before(failed: bool, ends: bool) -> None:
    """Proxies keep connections to a Pod that ends. Version 3 had got its share while these still led to version 2: its
    users got answers of a version that had been found wanting, and version 3 was judged by them.
    """
    cluster = rolling_out(CANARY, settled=6)
    assert cluster.answered().by.keys() == {R1, R2}
    cluster.lingering = timedelta(seconds=30)
    if failed:
        cluster.ask(abort="1")
        cluster.settle(4)
    cluster.want_version(V3)
    for _ in range(6):
        cluster.look()
        cluster.start()
        cluster.ready(R3)
        cluster.take()
        assert cluster.leads_to("mortgage-candidate") != R3
        assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.conditions[0].message.endswith("it waits for the Pods of a former candidate to go")
    if ends:
        cluster.pods = {name: pod for name, pod in cluster.pods.items() if "deletionTimestamp" not in pod["metadata"]}
    else:
        cluster.wait(36)
    for _ in range(6):
        cluster.look()
        cluster.take()
    assert cluster.answered().by.keys() == {R1, R3}


STRATEGIES = st.sampled_from([None, CANARY, ALL_AT_ONCE, BLUE_GREEN, SHADOW])
EVENTS = st.one_of(
    st.tuples(st.just("look"), st.integers(0, 12)),
    st.tuples(st.just("ready"), st.integers(1, 4)),
    st.tuples(st.just("wait"), st.sampled_from([1, 6])),
    st.tuples(st.just("take"), st.integers(1, 3)),
    st.tuples(st.just("start"), st.none()),
    st.tuples(st.just("version"), st.sampled_from([V1, V2, V3])),
    st.tuples(st.just("rollout"), STRATEGIES),
    st.tuples(st.just("ask"), st.sampled_from(["promote", "promote_full", "abort", "retry"])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), STRATEGIES, st.lists(EVENTS, min_size=15, max_size=60))
def test_whatever_happens_in_whatever_order(full: int, rollout: Json | None, story: list[tuple[str, Any]]) -> None:
    """Versions, ways and requests change at any time, Pods and proxies are late, and the operator ends after any write:
    each request is answered by Pods that are enough for it, and in the end the version that is wanted serves alone.
    """
    cluster = serving(rollout, full)
    for number, (what, more) in enumerate(story):
        if what == "look":
            decided = cluster.decide()
            writes = cluster.writes(decided)
            for write in writes[: more or len(writes)]:
                cluster.write(write)
                check(cluster, full)
            if not more:
                cluster.tell(decided)
        elif what == "ready":
            cluster.ready(at_most=more)
        elif what == "wait":
            cluster.wait(more)
        elif what == "take":
            cluster.take(every=more)
        elif what == "start":
            cluster.start()
        elif what == "version":
            cluster.want_version(more)
        elif what == "rollout":
            cluster.want(rollout=more)
        else:
            cluster.ask(**{more: str(number)})
        check(cluster, full)
    cluster.want_version(V3)
    for number in range(30):
        cluster.ask(promote=f"at last {number}")
        cluster.settle(2)
        cluster.wait(7)
    assert len(cluster.revisions()) == 1
    assert cluster.answered().by == {R3: 1} or cluster.service.status.failed


def check(cluster: Cluster, full: int) -> None:
    """What must hold at any time. No Pod has been lost: what is missing was taken away."""
    answered = cluster.answered()
    assert (answered.lost, answered.circling) == (0, 0)
    assert not cluster.copies_circle()
    if cluster.leads_to() is None:
        assert sum(map(cluster.count, cluster.revisions())) >= full
        return
    for revision, share in answered.by.items():
        assert cluster.count(revision) >= share * full - 0.999, revision
