"""A rolling update: never fewer Pods than all requests need, in any direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision, observed_revisions, server_pod
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.machinery.conditions import find
from support.builders.inferenceservices import Json, deployment, inference_service, pod_body, pod_template, revision_of
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

SERVICE = inference_service(pinned="mortgage-1")
V1, V2, V3 = VERSIONS = tuple(version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2, R3 = (revision_of(SERVICE, each) for each in VERSIONS)
BODIES = [deployment(SERVICE, each) for each in VERSIONS]
TEMPLATES = [pod_template(SERVICE, each) for each in VERSIONS]


def revision(number: int, *, ready: int, replicas: int | None = None) -> ObservedRevision:
    """Return the revision of a version, 1 to 3, with `ready` Pods of `replicas`; by default all of them are ready."""
    spec = {**BODIES[number - 1]["spec"], "replicas": ready if replicas is None else replicas}
    pods = [server_pod(pod_body(TEMPLATES[number - 1], f"p{number}-{index}")) for index in range(ready)]
    (found,) = observed_revisions([{**BODIES[number - 1], "spec": spec}], pods)
    return found


def updating(replicas: int, rollout: Json | None = None) -> Cluster:
    """Return a cluster where version 1 serves with this many Pods, and version 2 is selected."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout), [V1])
    cluster.settle(4)
    cluster.select(V2)
    return cluster


@pytest.mark.parametrize(
    ("target", "replicas"),
    [
        pytest.param(None, 1, id="without a Pod it gets one"),
        pytest.param(revision(2, ready=0, replicas=1), 1, id="while its Pod is not ready it gets no other"),
        pytest.param(revision(2, ready=1, replicas=1), 2, id="with a ready Pod it gets the next one"),
        pytest.param(revision(2, ready=1, replicas=2), 2, id="while its second Pod is not ready it gets no third"),
        pytest.param(revision(2, ready=4, replicas=4), 4, id="with all Pods ready it gets no more"),
    ],
)
def test_a_new_revision_gets_one_pod_after_the_other(target: ObservedRevision | None, replicas: int) -> None:
    """A version that does not work costs one Pod beside the others, not all."""
    assert target_replicas(target, 4) == replicas


@pytest.mark.parametrize(
    ("target", "others", "kept"),
    [
        pytest.param(None, [revision(1, ready=4)], [4], id="all Pods stay before a new one exists"),
        pytest.param(
            revision(2, ready=0, replicas=1), [revision(1, ready=4)], [4], id="all Pods stay before a new one is ready"
        ),
        pytest.param(
            revision(2, ready=1, replicas=2), [revision(1, ready=4)], [3], id="one Pod is deleted for one that is ready"
        ),
        pytest.param(
            revision(2, ready=3, replicas=4), [revision(1, ready=2)], [1], id="as many stay as are missing to all"
        ),
        pytest.param(revision(2, ready=4, replicas=4), [revision(1, ready=1)], [0], id="none stays beside all"),
        pytest.param(
            revision(3, ready=1, replicas=1),
            [revision(1, ready=2), revision(2, ready=1)],
            [2, 1],
            id="two former versions keep what is missing together",
        ),
        pytest.param(
            revision(3, ready=1, replicas=1),
            [revision(1, ready=1), revision(2, ready=3)],
            [0, 3],
            id="of two former versions the one with most ready Pods keeps them",
        ),
        pytest.param(
            revision(2, ready=1, replicas=1),
            [revision(1, ready=2, replicas=4)],
            [3],
            id="a Pod that is not ready is no loss",
        ),
        pytest.param(
            revision(2, ready=0, replicas=1), [revision(1, ready=2)], [2], id="no revision gets more Pods than it has"
        ),
    ],
)
def test_the_pods_that_stay(target: ObservedRevision | None, others: list[ObservedRevision], kept: list[int]) -> None:
    """As many old Pods are deleted as there are new ones that are ready."""
    assert other_replicas(target, others, 4) == dict(zip([other.name for other in others], kept, strict=True))


POD_COUNTS = st.tuples(st.integers(0, 6), st.integers(0, 2))


@given(st.integers(1, 6), POD_COUNTS, POD_COUNTS, POD_COUNTS)
def test_never_fewer_pods_than_all_requests_need(
    full_size: int, new: tuple[int, int], old: tuple[int, int], older: tuple[int, int]
) -> None:
    """A Deployment that is scaled down loses the Pods first that are not ready.

    Afterwards as many Pods are ready as all requests need, or as there were, and never more than one too many.
    """
    target, *others = (
        revision(number, ready=ready, replicas=ready + more)
        for number, (ready, more) in enumerate((new, old, older), 1)
    )
    kept = other_replicas(target, others, full_size)
    ready_after = target.ready + sum(min(other.ready, kept[other.name]) for other in others)
    assert ready_after >= min(full_size, target.ready + sum(other.ready for other in others))
    assert all(kept[other.name] <= other.replicas for other in others)
    assert target.ready <= target_replicas(target, max(full_size, target.ready)) <= target.ready + 1


@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("to", [V1, V3], ids=["back to the stable version", "to another version"])
def test_another_version_is_selected_during_the_update(after: int, to: ModelVersion) -> None:
    """After any number of Pods: there are never fewer ready Pods than all requests need."""
    cluster = updating(3)
    for number in range(30):
        if number == after:
            cluster.select(to)
        decided = cluster.decide()
        for write in cluster.writes(decided):
            cluster.write(write)
            selected = cluster.revisions() if cluster.selects() is None else {cluster.selects()}
            assert sum(cluster.count(name) for name in selected if name) >= 3
        cluster.write_status(decided)
        cluster.start()
        cluster.ready(at_most=1)
        cluster.use_routes()
    selected_revision = revision_of(SERVICE, to)
    assert cluster.answered().by == {selected_revision: 1}
    assert cluster.revisions() == {selected_revision}


def test_a_version_that_does_not_work_is_rolled_back_after_ten_minutes() -> None:
    """All of the stable Pods answer meanwhile."""
    cluster = updating(3)
    for _ in range(10):
        cluster.reconcile()
        cluster.start()
        cluster.wait(60)
    assert (cluster.count(R1), len(cluster.revisions())) == (3, 2)
    cluster.wait(2)
    cluster.reconcile()
    cluster.reconcile()
    assert cluster.revisions() == {R1}
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"


def test_each_replaced_pod_is_progress() -> None:
    """The deadline limits the time without progress: a large service may take longer."""
    cluster = updating(4)
    for _ in range(6):
        cluster.reconcile()
        cluster.start()
        cluster.ready(at_most=1)
        cluster.reconcile()
        cluster.wait(500)
    assert cluster.service.status.failed == []
    assert cluster.answered().by == {R2: 1}


def test_a_pod_that_is_ready_now_and_then_is_not_progress() -> None:
    """An update with one good Pod and a bad one would otherwise never end."""
    cluster = updating(2)
    cluster.reconcile()
    cluster.start()
    for _ in range(4):
        for answers in (True, False):
            cluster.ready(R2, answers=answers)
            cluster.reconcile()
            cluster.reconcile()
            cluster.wait(100)
    assert cluster.service.status.failed[0].reason == "DeadlineExceeded"


@pytest.mark.parametrize("replaced", [1, 2, 3, 4])
def test_a_pause_holds_an_update(replaced: int) -> None:
    """No Pod of either version is created or deleted until the pause ends, even once all new Pods are ready."""
    cluster = updating(4)
    for _ in range(replaced):
        cluster.reconcile()
        cluster.start()
        cluster.ready(at_most=1)
    cluster.annotate(pause="true")
    cluster.reconcile()
    before = cluster.count(R1), cluster.count(R2)
    assert min(before) > 0
    for _ in range(5):
        cluster.settle(2)
        cluster.wait(1000)
        assert (cluster.count(R1), cluster.count(R2)) == before
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert ready.message.endswith("waiting for the annotation modelops.dev/pause to be removed")
    cluster.annotate(pause="false")
    cluster.settle(12)
    assert cluster.answered().by == {R2: 1}


def test_the_status_has_the_weight_of_the_pods() -> None:
    """The Service gives each ready Pod as many requests: the weight follows from the Pods."""
    cluster = updating(4)
    for weight, ready in ((0, 0), (20, 1), (40, 2)):
        cluster.reconcile()
        candidate = cluster.service.status.candidate
        assert candidate is not None
        assert (candidate.weight, candidate.ready, candidate.steps) == (weight, ready, 0)
        cluster.start()
        cluster.ready(at_most=1)


def stuck(on_failure: str) -> Cluster:
    """Return a cluster where one Pod of version 2 is ready, the next one is not, and the deadline is over."""
    rollout = {"strategy": "Rolling", "deadline": "1m", "onFailure": on_failure}
    cluster = updating(3, rollout)
    for _ in range(2):
        cluster.reconcile()
        cluster.start()
        cluster.ready(at_most=1)
    cluster.ready(R2, at_most=1, answers=False)
    cluster.reconcile()
    cluster.wait(62)
    cluster.reconcile()
    return cluster


def test_on_failure_pause_holds_an_update() -> None:
    """No Pod is replaced or restored, and the conditions say why. A Pod that becomes ready all the same is progress."""
    cluster = stuck("Pause")
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert (ready.reason, find(cluster.service.status.conditions, "Stalled") is None) == ("DeadlineExceeded", False)
    assert "waiting for a person to promote or abort" in ready.message
    before = cluster.count(R1), cluster.count(R2)
    for _ in range(3):
        cluster.start()
        cluster.wait(600)
        assert cluster.reconcile().delete == ()
        assert (cluster.count(R1), cluster.count(R2)) == before
    cluster.ready()
    cluster.settle(4)
    assert cluster.answered().by == {R2: 1}


@pytest.mark.parametrize("word", ["promote", "promote_full"])
def test_a_person_overrules_a_failed_update(word: str) -> None:
    """The deadline starts again, and the update may fail and be overruled once more."""
    cluster = stuck("Pause")
    cluster.annotate(**{word: "1"})
    cluster.reconcile()
    cluster.reconcile()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert ready.reason == "RollingOut"
    cluster.wait(62)
    cluster.reconcile()
    cluster.annotate(**{word: "2"})
    cluster.settle(10)
    assert cluster.answered().by == {R2: 1}
    assert cluster.service.status.failed == []


def test_a_person_aborts_a_failed_update() -> None:
    """The new Pods answer until the old ones are restored."""
    cluster = stuck("Pause")
    cluster.annotate(abort="no")
    cluster.settle(6)
    assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.failed[0].reason == "Aborted"
