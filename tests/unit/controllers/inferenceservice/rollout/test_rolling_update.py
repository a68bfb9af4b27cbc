"""Replacing a version Pod by Pod: never fewer Pods than it takes, whichever way it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.revisions.observed import Member, members, server_pod
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.machinery.conditions import find
from support.builders.inferenceservices import Json, deployment, inference_service, pod_body, pod_template, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

SERVICE = inference_service(pinned="mortgage-1")
V1, V2, V3 = VERSIONS = tuple(version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2, R3 = (revision_of(SERVICE, one) for one in VERSIONS)
NAMES = [f"mortgage-{revision}" for revision in (R1, R2, R3)]
BODIES = [deployment(SERVICE, one) for one in VERSIONS]
TEMPLATES = [pod_template(SERVICE, one) for one in VERSIONS]


def member(number: int, ready: int, replicas: int | None = None) -> Member:
    """A revision with so many Pods that answer, of so many that it shall have."""
    body = {**BODIES[number], "spec": {**BODIES[number]["spec"], "replicas": ready if replicas is None else replicas}}
    pods = [server_pod(pod_body(TEMPLATES[number], f"p{number}-{index}")) for index in range(ready)]
    (found,) = members([body], pods)
    return found


def replacing(replicas: int, rollout: Json | None = None) -> Cluster:
    """Version 1 serves with so many Pods, and version 2 is wanted."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout), [V1])
    cluster.settle(4)
    cluster.want_version(V2)
    return cluster


@pytest.mark.parametrize(
    ("target", "replicas"),
    [(None, 1), (member(1, 0, 1), 1), (member(1, 1, 1), 2), (member(1, 1, 2), 2), (member(1, 4, 4), 4)],
    ids=["none yet", "one that comes", "one that answers", "the next one comes", "all"],
)
def test_one_pod_after_the_other(target: Member | None, replicas: int) -> None:
    """A version that does not work costs one Pod beside the others, not all."""
    assert target_replicas(target, 4) == replicas


@pytest.mark.parametrize(
    ("target", "others", "kept"),
    [
        (None, [member(0, 4)], [4]),
        (member(1, 0, 1), [member(0, 4)], [4]),
        (member(1, 1, 2), [member(0, 4)], [3]),
        (member(1, 3, 4), [member(0, 2)], [1]),
        (member(1, 4, 4), [member(0, 1)], [0]),
        (member(2, 1, 1), [member(0, 2), member(1, 1)], [2, 1]),
        (member(2, 1, 1), [member(0, 1), member(1, 3)], [0, 3]),
        (member(1, 1, 1), [member(0, 2, 4)], [3]),
        (member(1, 0, 1), [member(0, 2)], [2]),
    ],
    ids=[
        "nothing goes before a new one is there",
        "nor before it answers",
        "one goes for one that answers",
        "what is missing to all stays",
        "none stays beside all",
        "of two former versions the one that answers more goes last",
        "whichever it is",
        "a Pod that does not answer is no loss",
        "and none gets more than it has",
    ],
)
def test_who_stays(target: Member | None, others: list[Member], kept: list[int]) -> None:
    """As many of the old ones go as there are new ones that answer."""
    assert other_replicas(target, others, 4) == dict(zip([one.name for one in others], kept, strict=True))


POD_COUNTS = st.tuples(st.integers(0, 6), st.integers(0, 2))


@given(st.integers(1, 6), POD_COUNTS, POD_COUNTS, POD_COUNTS)
def test_never_fewer_than_it_takes(
    full: int, new: tuple[int, int], old: tuple[int, int], older: tuple[int, int]
) -> None:
    """A Deployment that gets smaller loses those first that do not answer. What answers after is all that it takes, or
    all that there was; and there is never more than one Pod too many.
    """
    target, *others = (member(number, ready, ready + more) for number, (ready, more) in enumerate((new, old, older)))
    kept = other_replicas(target, others, full)
    answering = target.ready + sum(min(one.ready, kept[one.name]) for one in others)
    assert answering >= min(full, target.ready + sum(one.ready for one in others))
    assert all(kept[one.name] <= one.replicas for one in others)
    assert target.ready <= target_replicas(target, max(full, target.ready)) <= target.ready + 1


@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("to", [V1, V3], ids=["back", "to another one"])
def test_another_wish_in_the_middle(after: int, to: object) -> None:
    """At any Pod of the way: what answers is never fewer than it takes."""
    cluster = replacing(3)
    looks = 0
    while looks < 30:
        if looks == after:
            cluster.want_version(to)  # type: ignore[arg-type]
        decided = cluster.decide()
        for write in cluster.writes(decided):
            cluster.write(write)
            behind = cluster.revisions() if cluster.leads_to() is None else {cluster.leads_to()}
            assert sum(cluster.count(revision) for revision in behind if revision) >= 3
        cluster.tell(decided)
        cluster.start()
        cluster.ready(at_most=1)
        cluster.take()
        looks += 1
    wanted = revision_of(SERVICE, to)  # type: ignore[arg-type]
    assert cluster.answered().by == {wanted: 1}
    assert cluster.revisions() == {wanted}


def test_a_version_that_does_not_work_is_taken_back_after_ten_minutes() -> None:
    """And all of the old Pods have answered meanwhile."""
    cluster = replacing(3)
    for _ in range(10):
        cluster.look()
        cluster.start()
        cluster.wait(60)
    assert (cluster.count(R1), len(cluster.revisions())) == (3, 2)
    cluster.wait(2)
    cluster.look()
    cluster.look()
    assert cluster.revisions() == {R1}
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"


def test_each_pod_that_comes_is_progress() -> None:
    """The deadline is one of standing still: a large service takes its time."""
    cluster = replacing(4)
    for _ in range(6):
        cluster.look()
        cluster.start()
        cluster.ready(at_most=1)
        cluster.look()
        cluster.wait(500)
    assert cluster.service.status.failed == []
    assert cluster.answered().by == {R2: 1}


def test_a_pod_that_is_ready_now_and_then_is_no_progress() -> None:
    """A service that had been left with one good Pod and a bad one had stayed so without an end."""
    cluster = replacing(2)
    cluster.look()
    cluster.start()
    for _ in range(4):
        for answers in (True, False):
            cluster.ready(R2, answers=answers)
            cluster.look()
            cluster.look()
            cluster.wait(100)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"


def test_a_pause_holds_it_where_it_is() -> None:
    """No Pod of either version comes or goes, for as long as it lasts; and then it goes on."""
    cluster = replacing(4)
    for _ in range(2):
        cluster.look()
        cluster.start()
        cluster.ready(at_most=1)
    cluster.ask(pause="true")
    cluster.look()
    before = cluster.count(R1), cluster.count(R2)
    for _ in range(5):
        cluster.settle(2)
        cluster.wait(1000)
        assert (cluster.count(R1), cluster.count(R2)) == before
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert ready.message.endswith("it waits for the annotation modelops.dev/pause to go")
    cluster.ask(pause="false")
    cluster.settle(12)
    assert cluster.answered().by == {R2: 1}


def test_the_status_tells_how_far_it_is() -> None:
    """The share of the requests is that of the Pods: nobody sets it."""
    cluster = replacing(4)
    for share, ready in ((0, 0), (20, 1), (40, 2)):
        cluster.look()
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert (candidate.weight, candidate.ready, candidate.steps) == (share, ready, 0)
        cluster.start()
        cluster.ready(at_most=1)


def stuck(on_failure: str) -> Cluster:
    """One Pod of version 2 answers, the next one does not come, and the deadline is over."""
    rollout = {"strategy": "Rolling", "deadline": "1m", "onFailure": on_failure}
    cluster = replacing(3, rollout)
    for _ in range(2):
        cluster.look()
        cluster.start()
        cluster.ready(at_most=1)
    cluster.ready(R2, at_most=1, answers=False)
    cluster.look()
    cluster.wait(62)
    cluster.look()
    return cluster


def test_what_failed_stays_where_it_is_where_the_spec_says_so() -> None:
    """No Pod is replaced or taken back, and the conditions say why. One that comes all the same is progress."""
    cluster = stuck("Pause")
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert (ready.reason, find(cluster.service.status.conditions, "Stalled") is None) == ("DeadlineExceeded", False)
    assert "a person to promote or abort it" in ready.message
    before = cluster.count(R1), cluster.count(R2)
    for _ in range(3):
        cluster.start()
        cluster.wait(600)
        assert cluster.look().delete == ()
        assert (cluster.count(R1), cluster.count(R2)) == before
    cluster.ready()
    cluster.settle(4)
    assert cluster.answered().by == {R2: 1}


@pytest.mark.parametrize("word", ["promote", "promote_full"])
def test_a_person_has_it_go_on(word: str) -> None:
    """Its deadline begins anew; and it may fail, and be overruled, once more."""
    cluster = stuck("Pause")
    cluster.ask(**{word: "1"})
    cluster.look()
    cluster.look()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert ready.reason == "RollingOut"
    cluster.wait(62)
    cluster.look()
    cluster.ask(**{word: "2"})
    cluster.settle(10)
    assert cluster.answered().by == {R2: 1}
    assert cluster.service.status.failed == []


def test_a_person_takes_it_back() -> None:
    """With the Pods that are left answering until the old ones are there again."""
    cluster = stuck("Pause")
    cluster.ask(abort="no")
    cluster.settle(6)
    assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.failed[0].reason == "Aborted"
