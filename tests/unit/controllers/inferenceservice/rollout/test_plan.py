"""A rollout as a whole: from the first version to the next, and what changes in the middle of it."""

from typing import Any

import pytest

from modelops.api.inferenceservice_status import CandidateVersion
from modelops.controllers.inferenceservice.traffic.routes import TOLD
from modelops.machinery.conditions import find
from modelops.machinery.plan import Delete, Plan
from support.builders.inferenceservices import Json, ended, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2, R3 = (revision_of(inference_service(), one) for one in (V1, V2, V3))
CANARY: Json = {"steps": [{"weight": 25, "hold": "5s"}, {"weight": 50}], "deadline": "10m"}


def serving(rollout: Json | None = CANARY, replicas: int = 4) -> Cluster:
    """Version 1 serves with all of its Pods."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout), [V1])
    cluster.settle(4)
    return cluster


def rolling_out(looks: int, rollout: Json | None = CANARY) -> Cluster:
    """And version 2 is on its way."""
    cluster = serving(rollout)
    cluster.want_version(V2)
    cluster.settle(looks)
    return cluster


def candidate(cluster: Cluster) -> CandidateVersion:
    """What the status tells of it."""
    found = cluster.service.status.candidate
    assert found is not None
    return found


def ready_because(cluster: Cluster) -> str:
    """The reason of Ready."""
    found = find(cluster.service.status.conditions, "Ready")
    assert found is not None
    return found.reason


def events(decided: Plan) -> list[str]:
    """Their reasons."""
    return [event.reason for event in decided.events]


def test_the_first_version_serves_at_once() -> None:
    """There is nobody to compare it with, and nothing to go back to: it skips all steps, and gets all Pods."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=CANARY), [V1])
    decided = cluster.look()
    assert [body["spec"]["replicas"] for body in decided.apply if body["kind"] == "Deployment"] == [4]
    cluster.start()
    cluster.ready(at_most=1)
    cluster.look()
    assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.stable is not None
    assert (cluster.service.status.stable.ready, ready_because(cluster)) == (1, "PodsNotReady")
    cluster.settle(2)
    assert ready_because(cluster) == "Serving"


def test_a_first_version_that_never_answers_makes_room_for_the_next() -> None:
    """Nothing serves, and so nothing is waited for."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=CANARY), [V1])
    cluster.look()
    cluster.want_version(V2)
    cluster.look()
    assert cluster.revisions() == {R2}
    cluster.settle(4)
    assert cluster.answered().by == {R2: 1}


def test_a_first_version_that_is_late_is_told_of() -> None:
    """It is waited for all the same: there is nothing else."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=CANARY), [V1])
    cluster.look()
    cluster.wait(600)
    cluster.look()
    assert ready_because(cluster) == "RolloutFailed"
    cluster.settle(3)
    assert ready_because(cluster) == "Serving"


def test_step_by_step_to_the_end() -> None:
    """The whole story, and what is told of it."""
    cluster, told = serving(), []
    cluster.want_version(V2)
    for _ in range(14):
        told += events(cluster.look())
        cluster.start()
        cluster.ready()
        cluster.take()
        cluster.wait(3)
        if candidate(cluster).weight == 50 and candidate(cluster).step_since:
            break
    assert cluster.answered().by == {R1: 0.5, R2: 0.5}
    assert (candidate(cluster).step, candidate(cluster).steps, candidate(cluster).replicas) == (2, 2, 2)
    cluster.ask(promote="yes")
    told += events(cluster.look())
    assert candidate(cluster).replicas == 4
    assert cluster.answered().by == {R1: 0.5, R2: 0.5}
    cluster.start()
    cluster.ready()
    decided = cluster.look()
    assert cluster.answered().by == {R2: 1}
    assert cluster.service.status.candidate is None
    assert [*told, *events(decided)] == ["Step", "Step", "Step", "Step", "Promoted"]
    cluster.look()
    assert ready_because(cluster) == "Serving"
    assert cluster.revisions() == {R2}


def test_a_promotion_moves_the_service_before_it_deletes() -> None:
    """The other way round nobody would answer for a moment, and for good should the operator end between the two."""
    cluster = rolling_out(6)
    cluster.ask(promote_full="1")
    cluster.settle(1)
    cluster.start()
    cluster.ready()
    order = cluster.writes(cluster.decide())
    moves = next(at for at, one in enumerate(order) if not isinstance(one, Delete) and _is_way_in(one))
    goes = next(at for at, one in enumerate(order) if isinstance(one, Delete) and R1 in one.key.name)
    assert moves < goes
    last = order[-1]
    assert isinstance(last, Delete)
    assert last.key.kind == "Deployment", "by it is found what else is left of an end that was interrupted"


def _is_way_in(body: Json) -> bool:
    return bool(body["kind"] == "Service" and body["metadata"]["name"] == "mortgage")


def test_another_version_in_the_middle_begins_at_the_first_step() -> None:
    """What the former candidate has proved says nothing of this one. It goes once nobody passes requests on to it, and
    only then does its Service lead to the new one.
    """
    cluster = rolling_out(4)
    assert cluster.answered().by == {R1: 0.75, R2: 0.25}
    cluster.want_version(V3)
    cluster.look()
    cluster.start()
    cluster.ready()
    for _ in range(3):
        decided = cluster.look()
        assert (candidate(cluster).version, candidate(cluster).step, candidate(cluster).weight) == ("mortgage-3", 0, 0)
        assert not [one for one in decided.delete if one.key.kind == "Deployment"]
        assert cluster.leads_to("mortgage-candidate") == R2
        assert cluster.answered().by == {R1: 0.75, R2: 0.25}
    cluster.take()
    cluster.look()
    assert cluster.revisions() == {R1, R3}
    cluster.settle(4)
    assert cluster.answered().by == {R1: 0.75, R3: 0.25}


def test_what_serves_is_wanted_again() -> None:
    """Back at once: no step, no hold, no Pod to wait for."""
    cluster = rolling_out(4)
    cluster.want_version(V1)
    decided = cluster.look()
    assert "Withdrawn" in events(decided)
    assert cluster.service.status.candidate is None
    cluster.take()
    assert cluster.answered().by == {R1: 1}
    cluster.look()
    cluster.look()
    assert (cluster.revisions(), ready_because(cluster)) == ({R1}, "Serving")


def failed(cluster: Cluster) -> None:
    """The candidate is aborted, and goes."""
    cluster.ask(abort="it is wrong")
    cluster.settle(4)
    assert (cluster.revisions(), ready_because(cluster)) == ({R1}, "Aborted")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda cluster: cluster.wait(10_000), False),
        (lambda cluster: cluster.want(replicas={"min": 3}), False),
        (lambda cluster: cluster.ask(abort="once more"), False),
        (lambda cluster: cluster.ask(retry="1"), True),
        (lambda cluster: cluster.want(rollout={"steps": [{"weight": 10}]}), True),
        (lambda cluster: cluster.want(pod={"nodeSelector": {"disk": "ssd"}}), True),
        (lambda cluster: cluster.want_version(V3), True),
    ],
    ids=["time", "more Pods", "another abort", "a retry", "another way", "other Pods", "another version"],
)
def test_what_failed_is_tried_again_only_for_a_reason(change: Any, again: bool) -> None:
    """Without one it would fail for ever, each time with a share of the requests."""
    cluster = rolling_out(4)
    failed(cluster)
    change(cluster)
    cluster.settle(3)
    assert (len(cluster.revisions()) > 1) == again
    (entry,) = cluster.service.status.failed
    assert (entry.version, entry.step, entry.weight, entry.message) == ("mortgage-2", 1, 25, "it is wrong")
    rolled_back = find(cluster.service.status.conditions, "RolledBack")
    assert (rolled_back is None) == again


def test_a_rollback_gives_all_requests_back_before_the_candidate_goes() -> None:
    """Its Pods answer what is still passed on to them."""
    cluster = rolling_out(4)
    cluster.ask(abort="no")
    for _ in range(3):
        cluster.look()
        assert cluster.answered().by == {R1: 0.75, R2: 0.25}
        assert ready_because(cluster) == "Aborted"
    cluster.take()
    cluster.look()
    assert cluster.answered().by == {R1: 1}
    assert cluster.revisions() == {R1}


def test_a_candidate_that_may_not_serve_any_more_is_withdrawn() -> None:
    """Somebody has taken an approval back: gates fail closed, also in the middle of a rollout."""
    cluster = rolling_out(4)
    cluster.versions = [version("mortgage-2", letter="b", may_serve=False, why="approval was taken back")]
    cluster.settle(3)
    assert (cluster.answered().by, cluster.revisions()) == ({R1: 1}, {R1})
    assert ready_because(cluster) == "ModelVersionNotReady"
    assert cluster.service.status.candidate is None
    assert cluster.service.status.failed == [], "it has not failed, and is tried again when it may serve"


def test_pods_are_told_of_new_routes() -> None:
    """A kubelet looks at ConfigMaps once a minute, and at once when the Pod changes."""
    cluster = rolling_out(3)
    told = [cluster.pods[name]["metadata"]["annotations"].get(TOLD) for name in cluster.pods]
    cluster.wait(60)
    cluster.ask(promote="1")
    cluster.settle(2)
    again = [cluster.pods[name]["metadata"]["annotations"].get(TOLD) for name in cluster.pods]
    assert sum(one != other for one, other in zip(told, again, strict=False)) == 4, "the stable ones"


def test_a_pod_that_cannot_be_asked_holds_a_rollout_up_for_a_while_only() -> None:
    """A NetworkPolicy may keep the operator from it: it is believed once its kubelet must have brought the routes."""
    cluster = rolling_out(2)
    cluster.silent.add(next(iter(cluster.pods)))
    for _ in range(7):
        cluster.settle(1)
        assert candidate(cluster).step_since is None
        cluster.take()
        cluster.wait(20)
    cluster.wait(10)
    cluster.settle(2)
    assert candidate(cluster).step_since is not None


def test_a_candidate_whose_pods_crash_is_rolled_back() -> None:
    """With what the container said last."""
    cluster = rolling_out(4)
    for pod in cluster.pods.values():
        if pod["metadata"]["labels"]["modelops.dev/revision"] == R2:
            pod["status"]["containerStatuses"] = [ended("model", 1, "out of ideas")]
    cluster.ready(R2, answers=False)
    cluster.look()
    assert ready_because(cluster) == "CrashLoopBackOff"
    assert "out of ideas" in cluster.service.status.failed[0].message


def test_the_way_changes_from_pod_by_pod_to_steps() -> None:
    """The Pods of the stable version come back first, or the steps would have nothing to take their share of."""
    cluster = rolling_out(0, None)
    cluster.settle(2)
    cluster.ready()
    cluster.look()
    assert cluster.leads_to() is None
    cluster.want(rollout=CANARY)
    for _ in range(12):
        cluster.look()
        behind = {R1, R2} if cluster.leads_to() is None else {R1}
        assert sum(map(cluster.count, behind)) >= 4
        cluster.start()
        cluster.ready()
        cluster.take()
    assert cluster.answered().by == {R1: 0.75, R2: 0.25}


@pytest.mark.parametrize("wanted", [V2, V1], ids=["and another version", "and none that may serve"])
def test_what_is_not_remembered_is_no_reason_to_stand_still(wanted: Any) -> None:
    """Somebody has deleted the Deployment that served, and what remembered it: the next one is made at once, and where
    there is none that is said.
    """
    cluster = serving()
    for key in [one for one in cluster.objects if R1 in one.name]:
        cluster.write(Delete(key))
    cluster.want_version(V2)
    cluster.versions = [V2] if wanted is V2 else []
    cluster.settle(3)
    if wanted is V2:
        assert cluster.answered().by == {R2: 1}
    else:
        assert ready_because(cluster) == "ModelVersionNotFound"
