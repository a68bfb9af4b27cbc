"""A rollout as a whole: from the first version to the next, and changes during a rollout."""

from typing import Any

import pytest

from modelops.api.inferenceservice_status import CandidateVersion
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.machinery.conditions import find
from modelops.machinery.plan import Delete, Plan
from support.builders.inferenceservices import Json, ended, inference_service, revision_of
from support.builders.modelversions import version
from support.fake_cluster import Cluster

V1, V2, V3 = (version(f"mortgage-{number}", letter=letter) for number, letter in enumerate("abc", 1))
R1, R2, R3 = (revision_of(inference_service(), each) for each in (V1, V2, V3))
CANARY: Json = {"steps": [{"weight": 25, "hold": "5s"}, {"weight": 50}], "deadline": "10m"}


def serving(rollout: Json | None = CANARY, replicas: int = 4) -> Cluster:
    """Return a cluster where version 1 serves with all of its Pods."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=replicas, rollout=rollout), [V1])
    cluster.settle(4)
    return cluster


def rolling_out(settled: int, rollout: Json | None = CANARY) -> Cluster:
    """Return a cluster where version 2 has been rolled out for some reconciles."""
    cluster = serving(rollout)
    cluster.select(V2)
    cluster.settle(settled)
    return cluster


def candidate(cluster: Cluster) -> CandidateVersion:
    """Return the candidate in the status."""
    status = cluster.service.status.candidate
    assert status is not None
    return status


def ready_reason(cluster: Cluster) -> str:
    """Return the reason of the condition Ready."""
    condition = find(cluster.service.status.conditions, "Ready")
    assert condition is not None
    return condition.reason


def events(decided: Plan) -> list[str]:
    """Return the reasons of a plan's Events."""
    return [event.reason for event in decided.events]


def test_the_first_version_serves_at_once() -> None:
    """There is no version to compare it with, or to roll back to: it skips all steps, and gets all Pods."""
    cluster = Cluster(inference_service(pinned="mortgage-1", replicas=4, rollout=CANARY), [V1])
    decided = cluster.reconcile()
    assert [body["spec"]["replicas"] for body in decided.apply if body["kind"] == "Deployment"] == [4]
    cluster.start()
    cluster.ready(at_most=1)
    cluster.reconcile()
    assert cluster.answered().by == {R1: 1}
    assert cluster.service.status.stable is not None
    assert (cluster.service.status.stable.ready, ready_reason(cluster)) == (1, "PodsNotReady")
    cluster.settle(2)
    assert ready_reason(cluster) == "Serving"


def test_a_first_version_that_is_never_ready_is_replaced_by_the_next() -> None:
    """No version serves, and so none is kept."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=CANARY), [V1])
    cluster.reconcile()
    cluster.select(V2)
    cluster.reconcile()
    assert cluster.revisions() == {R2}
    cluster.settle(4)
    assert cluster.answered().by == {R2: 1}


def test_a_first_version_that_is_late_is_reported() -> None:
    """A late first version serves all the same once it is ready: there is no other version."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=CANARY), [V1])
    cluster.reconcile()
    cluster.wait(600)
    cluster.reconcile()
    assert ready_reason(cluster) == "RolloutFailed"
    cluster.settle(3)
    assert ready_reason(cluster) == "Serving"


def test_a_canary_is_promoted_step_by_step() -> None:
    """The whole rollout, with the Events that report it."""
    cluster, reported = serving(), []
    cluster.select(V2)
    for _ in range(14):
        reported += events(cluster.reconcile())
        cluster.start()
        cluster.ready()
        cluster.use_routes()
        cluster.wait(3)
        if candidate(cluster).weight == 50 and candidate(cluster).step_since:
            break
    assert cluster.answered().by == {R1: 0.5, R2: 0.5}
    assert (candidate(cluster).step, candidate(cluster).steps, candidate(cluster).replicas) == (2, 2, 2)
    cluster.annotate(promote="yes")
    reported += events(cluster.reconcile())
    assert candidate(cluster).replicas == 4
    assert cluster.answered().by == {R1: 0.5, R2: 0.5}
    cluster.start()
    cluster.ready()
    decided = cluster.reconcile()
    assert cluster.answered().by == {R2: 1}
    assert cluster.service.status.candidate is None
    assert [*reported, *events(decided)] == ["Step", "Step", "Step", "Step", "Promoted"]
    cluster.reconcile()
    assert ready_reason(cluster) == "Serving"
    assert cluster.revisions() == {R2}


def test_a_promotion_switches_the_service_before_it_deletes_the_former_version() -> None:
    """In the other order no Pod would answer for a moment, or for good if the operator ended between the two writes."""
    cluster = rolling_out(6)
    cluster.annotate(promote_full="1")
    cluster.settle(1)
    cluster.start()
    cluster.ready()
    order = cluster.writes(cluster.decide())
    switched = next(at for at, write in enumerate(order) if not isinstance(write, Delete) and _is_stable_service(write))
    deleted = next(at for at, write in enumerate(order) if isinstance(write, Delete) and R1 in write.key.name)
    assert switched < deleted
    last = order[-1]
    assert isinstance(last, Delete)
    assert last.key.kind == "Deployment", "an interrupted cleanup resumes by the Deployment"


def _is_stable_service(body: Json) -> bool:
    return bool(body["kind"] == "Service" and body["metadata"]["name"] == "mortgage")


def test_another_version_during_a_rollout_starts_at_the_first_step() -> None:
    """What the former candidate has proved says nothing about the new one.

    The former candidate is deleted once no proxy forwards requests to it. Only then its Service selects the new one.
    """
    cluster = rolling_out(4)
    assert cluster.answered().by == {R1: 0.75, R2: 0.25}
    cluster.select(V3)
    cluster.reconcile()
    cluster.start()
    cluster.ready()
    for _ in range(3):
        decided = cluster.reconcile()
        assert (candidate(cluster).version, candidate(cluster).step, candidate(cluster).weight) == ("mortgage-3", 0, 0)
        assert not [delete for delete in decided.delete if delete.key.kind == "Deployment"]
        assert cluster.selects("mortgage-candidate") == R2
        assert cluster.answered().by == {R1: 0.75, R2: 0.25}
    cluster.use_routes()
    cluster.reconcile()
    assert cluster.revisions() == {R1, R3}
    cluster.settle(4)
    assert cluster.answered().by == {R1: 0.75, R3: 0.25}


def test_the_stable_version_is_selected_again() -> None:
    """All traffic shifts back at once: there is no step, no hold and no Pod to wait for."""
    cluster = rolling_out(4)
    cluster.select(V1)
    decided = cluster.reconcile()
    assert "Withdrawn" in events(decided)
    assert cluster.service.status.candidate is None
    cluster.use_routes()
    assert cluster.answered().by == {R1: 1}
    cluster.reconcile()
    cluster.reconcile()
    assert (cluster.revisions(), ready_reason(cluster)) == ({R1}, "Serving")


def failed(cluster: Cluster) -> None:
    """Abort the rollout, and wait until the candidate is deleted."""
    cluster.annotate(abort="it is wrong")
    cluster.settle(4)
    assert (cluster.revisions(), ready_reason(cluster)) == ({R1}, "Aborted")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda cluster: cluster.wait(10_000), False),
        (lambda cluster: cluster.change_spec(replicas={"min": 3}), False),
        (lambda cluster: cluster.annotate(abort="once more"), False),
        (lambda cluster: cluster.annotate(retry="1"), True),
        (lambda cluster: cluster.change_spec(rollout={"steps": [{"weight": 10}]}), True),
        (lambda cluster: cluster.change_spec(pod={"nodeSelector": {"disk": "ssd"}}), True),
        (lambda cluster: cluster.select(V3), True),
    ],
    ids=[
        "time passes",
        "the number of Pods changes",
        "a person aborts again",
        "a person requests a retry",
        "the rollout changes",
        "the Pod template changes",
        "another version is selected",
    ],
)
def test_a_failed_version_is_tried_again_only_for_a_reason(change: Any, again: bool) -> None:
    """Otherwise the version would fail for ever, each time with a part of the traffic."""
    cluster = rolling_out(4)
    failed(cluster)
    change(cluster)
    cluster.settle(3)
    assert (len(cluster.revisions()) > 1) == again
    (entry,) = cluster.service.status.failed
    assert (entry.version, entry.step, entry.weight, entry.message) == ("mortgage-2", 1, 25, "it is wrong")
    rolled_back = find(cluster.service.status.conditions, "RolledBack")
    assert (rolled_back is None) == again


def test_a_rollback_shifts_all_traffic_back_before_it_deletes_the_candidate() -> None:
    """The candidate's Pods answer the requests that are still forwarded to them."""
    cluster = rolling_out(4)
    cluster.annotate(abort="no")
    for _ in range(3):
        cluster.reconcile()
        assert cluster.answered().by == {R1: 0.75, R2: 0.25}
        assert ready_reason(cluster) == "Aborted"
    cluster.use_routes()
    cluster.reconcile()
    assert cluster.answered().by == {R1: 1}
    assert cluster.revisions() == {R1}


def test_a_candidate_whose_approval_is_withdrawn_is_deleted() -> None:
    """Gates fail closed, also during a rollout."""
    cluster = rolling_out(4)
    cluster.versions = [version("mortgage-2", letter="b", may_serve=False, why="approval was taken back")]
    cluster.settle(3)
    assert (cluster.answered().by, cluster.revisions()) == ({R1: 1}, {R1})
    assert ready_reason(cluster) == "ModelVersionNotReady"
    assert cluster.service.status.candidate is None
    assert cluster.service.status.failed == [], "it has not failed, and is rolled out again once it is approved"


def test_pods_are_notified_of_new_routes() -> None:
    """A kubelet syncs ConfigMaps once a minute, and at once when the Pod changes."""
    cluster = rolling_out(3)
    before = [cluster.pods[name]["metadata"]["annotations"].get(ROUTES_ANNOTATION) for name in cluster.pods]
    cluster.wait(60)
    cluster.annotate(promote="1")
    cluster.settle(2)
    after = [cluster.pods[name]["metadata"]["annotations"].get(ROUTES_ANNOTATION) for name in cluster.pods]
    assert sum(old != new for old, new in zip(before, after, strict=False)) == 4, "the stable Pods"


def test_a_pod_whose_proxy_is_silent_delays_a_rollout_by_the_kubelets_sync_period() -> None:
    """A NetworkPolicy may keep the operator from the Pod: after that period its routes count as in effect."""
    cluster = rolling_out(2)
    cluster.silent.add(next(iter(cluster.pods)))
    for _ in range(7):
        cluster.settle(1)
        assert candidate(cluster).step_since is None
        cluster.use_routes()
        cluster.wait(20)
    cluster.wait(10)
    cluster.settle(2)
    assert candidate(cluster).step_since is not None


def test_a_candidate_whose_pods_crash_is_rolled_back() -> None:
    """The failure has the end of the container's log."""
    cluster = rolling_out(4)
    for pod in cluster.pods.values():
        if pod["metadata"]["labels"]["modelops.dev/revision"] == R2:
            pod["status"]["containerStatuses"] = [ended("model", 1, "out of ideas")]
    cluster.ready(R2, answers=False)
    cluster.reconcile()
    assert ready_reason(cluster) == "CrashLoopBackOff"
    assert "out of ideas" in cluster.service.status.failed[0].message


def test_the_strategy_changes_from_a_rolling_update_to_steps() -> None:
    """The Pods of the stable version are restored first: it must be able to answer all requests."""
    cluster = rolling_out(0, None)
    cluster.settle(2)
    cluster.ready()
    cluster.reconcile()
    assert cluster.selects() is None
    cluster.change_spec(rollout=CANARY)
    for _ in range(12):
        cluster.reconcile()
        selected = {R1, R2} if cluster.selects() is None else {R1}
        assert sum(map(cluster.count, selected)) >= 4
        cluster.start()
        cluster.ready()
        cluster.use_routes()
    assert cluster.answered().by == {R1: 0.75, R2: 0.25}


@pytest.mark.parametrize("ready", [True, False], ids=["another version is ready", "no version is ready"])
def test_the_stable_version_is_deleted_with_its_record(ready: bool) -> None:
    """A person has deleted the stable Deployment and the ControllerRevision that it could be restored from.

    The selected version serves at once. Where there is none, the condition says so.
    """
    cluster = serving()
    for key in [key for key in cluster.objects if R1 in key.name]:
        cluster.write(Delete(key))
    cluster.select(V2)
    cluster.versions = [V2] if ready else []
    cluster.settle(3)
    if ready:
        assert cluster.answered().by == {R2: 1}
    else:
        assert ready_reason(cluster) == "ModelVersionNotFound"
