"""Why a candidate's Pods are not ready: what the conditions say, and when the rollout fails."""

from dataclasses import dataclass
from typing import Any

import pytest

from modelops.controllers.inferenceservice.revisions.observed import ServerPod
from modelops.controllers.inferenceservice.rollout.pod_problems import most_urgent, unrecoverable
from modelops.machinery.conditions import find
from support.builders.inferenceservices import Json, ended, inference_service, pod, pod_body, revision_of, waits
from support.builders.modelversions import version
from support.controllers.fake_cluster import Cluster

SERVICE = inference_service(pinned="mortgage-1")
V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b")
R2 = revision_of(SERVICE, V2)
MISMATCH = '{"failure": {"reason": "DigestMismatch", "message": "what is there has another digest"}}'
UNREACHABLE = MISMATCH.replace("DigestMismatch", "StoreUnreachable")


def crashed(name: str, code: int, message: str = "", *, restarts: int, **more: Any) -> Json:
    """Return a container that has ended, after this many restarts."""
    return {**ended(name, code, message, **more), "restartCount": restarts}


@dataclass(frozen=True)
class Row:
    """`pod` is the state of the candidate's only Pod. `fails`: the candidate is rolled back at once."""

    name: str
    pod: dict[str, Any]
    reason: str
    message: str
    stalled: bool = False
    fails: bool = False


ROWS = [
    Row(
        "a crashed container is shown with the end of its log",
        {"containers": [crashed("model", 1, "no module named x", restarts=1)]},
        reason="CrashLoopBackOff",
        message="container model ended with exit code 1: no module named x",
    ),
    Row(
        "a container that has just been restarted is still a problem",
        {"containers": [crashed("model", 1, "boom", restarts=1, waits=False)]},
        reason="CrashLoopBackOff",
        message="container model ended with exit code 1: boom",
    ),
    Row(
        "a container that crashes again and again fails the rollout",
        {"containers": [crashed("model", 1, "no module named x", restarts=3)]},
        reason="CrashLoopBackOff",
        message="no module named x",
        fails=True,
    ),
    Row(
        "a container in its third run does not fail the rollout",
        {"containers": [crashed("model", 1, "the store is away", restarts=2, waits=False)]},
        reason="CrashLoopBackOff",
        message="the store is away",
    ),
    Row(
        "a container whose third run has crashed fails the rollout",
        {"containers": [crashed("model", 1, "the store is away", restarts=2)]},
        reason="CrashLoopBackOff",
        message="the store is away",
        fails=True,
    ),
    Row(
        "a model server that ends with exit code 0 fails the rollout",
        {"containers": [crashed("model", 0, "bye", restarts=3, reason="Completed")]},
        reason="CrashLoopBackOff",
        message="ended with exit code 0: bye",
        fails=True,
    ),
    Row(
        "a model that needs more memory has a reason of its own",
        {"containers": [crashed("model", 137, restarts=1, reason="OOMKilled")]},
        reason="OOMKilled",
        message="ended with exit code 137 (OOMKilled)",
    ),
    Row(
        "a digest mismatch fails the rollout",
        {"init": [crashed("fetch-model", 42, MISMATCH, restarts=0)]},
        reason="DigestMismatch",
        message="what is there has another digest",
        fails=True,
    ),
    Row(
        "an unreachable store does not fail the rollout",
        {"init": [crashed("fetch-model", 1, UNREACHABLE, restarts=1)]},
        reason="StoreUnreachable",
        message="what is there has another digest",
    ),
    Row(
        "an image that cannot be pulled needs a person",
        {"containers": [waits("model", "ErrImagePull", "not found")]},
        reason="ImagePullFailed",
        message="container model: not found",
        stalled=True,
    ),
    Row(
        "a container that cannot be started needs a person",
        {"containers": [waits("model", "CreateContainerConfigError", 'secret "hub" not found')]},
        reason="CreateContainerConfigError",
        message='secret "hub" not found',
        stalled=True,
    ),
    Row(
        "an unschedulable Pod is shown with the scheduler's message",
        {"unschedulable": "0/1 nodes are available"},
        reason="Unschedulable",
        message="0/1 nodes are available",
    ),
]


@pytest.mark.parametrize("rollout", [None, {"steps": [{"weight": 50}]}], ids=["rolling update", "stepped"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_problem_is_reported(row: Row, rollout: Json | None) -> None:
    """In the conditions, and in the candidate's status. The stable version keeps serving."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=rollout), [V1])
    cluster.settle(4)
    cluster.select(V2)
    cluster.reconcile()
    deployment = cluster.object("Deployment", f"mortgage-{R2}")
    assert deployment is not None
    cluster.pods["c"] = pod_body(deployment["spec"]["template"], "c", ready=False, **row.pod)
    cluster.reconcile()
    status = cluster.service.status
    ready = find(status.conditions, "Ready")
    assert ready is not None
    assert row.message in ready.message
    assert (find(status.conditions, "Stalled") is not None) == (row.stalled or row.fails)
    if row.fails:
        assert "mortgage-2 was rolled back" in ready.message
        assert "modelops.dev/retry" in ready.message
        assert (status.candidate, status.failed[0].reason) == (None, row.reason)
    else:
        assert status.candidate is not None
        assert row.message in (status.candidate.problem or "")
        assert status.failed == []
    if row.stalled or row.fails or rollout is None:
        assert ready.reason == row.reason
    if row.stalled or row.fails:
        assert "mortgage-1 keeps serving" in ready.message
    assert status.stable is not None
    assert (status.stable.version, status.stable.ready) == ("mortgage-1", 2)


@pytest.mark.parametrize(
    ("message", "stalled"),
    [
        pytest.param(
            'pods "mortgage" is forbidden: serviceaccount "judge" not found', True, id="a missing ServiceAccount"
        ),
        pytest.param(
            'pods "mortgage" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2',
            False,
            id="a quota, which may become free without a person",
        ),
    ],
)
@pytest.mark.parametrize("number", [1, 2], ids=["the first version", "the next version"])
def test_pods_that_cannot_be_created_are_reported(number: int, message: str, stalled: bool) -> None:
    """There is no Pod that says why: without this only the number of Pods would be shown until the deadline."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout={"steps": [{"weight": 50}]}), [V1])
    if number == 2:
        cluster.settle(4)
        cluster.select(V2)
    cluster.reconcile()
    body = cluster.object("Deployment", f"mortgage-{revision_of(SERVICE, V2 if number == 2 else V1)}")
    assert body is not None
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    body["status"] = {"conditions": [failure]}
    cluster.reconcile()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert message in ready.message
    assert (find(cluster.service.status.conditions, "Stalled") is not None) == stalled


def crashing(name: str = "a", **more: Any) -> ServerPod:
    """Return a Pod whose model has crashed often."""
    containers = [crashed("model", 1, "boom", restarts=9)]
    return pod(SERVICE, V2, name, **{"ready": False, "containers": containers, **more})


@pytest.mark.parametrize(
    ("pods", "fails"),
    [
        pytest.param([crashing(ready=True)], False, id="a Pod that is ready again"),
        pytest.param([crashing(ending=True)], False, id="a Pod that is being deleted"),
        pytest.param([crashing(phase="Failed")], False, id="an evicted Pod"),
        pytest.param([pod(SERVICE, V2, "a"), crashing("b")], True, id="one Pod of two"),
        pytest.param([], False, id="no Pod"),
    ],
)
def test_which_pods_fail_a_rollout(pods: list[ServerPod], fails: bool) -> None:
    """Only a Pod that counts and is not ready."""
    assert (unrecoverable(pods) is not None) == fails


def test_the_most_urgent_problem_is_shown() -> None:
    """The problem that waits for a person, or else that of the newest Pod that has one."""
    quiet = pod(SERVICE, V2, "z", ready=False)
    crashes = pod(SERVICE, V2, "y", ready=False, containers=[crashed("model", 1, "boom", restarts=1)])
    stuck = pod(SERVICE, V2, "a", ready=False, containers=[waits("model", "ErrImagePull", "not found")])
    for pods, expected in (
        ([quiet], None),
        ([quiet, crashes], "CrashLoopBackOff"),
        ([quiet, crashes, stuck], "ImagePullFailed"),
    ):
        problem = most_urgent(pods)
        assert (problem.reason if problem is not None else None) == expected
