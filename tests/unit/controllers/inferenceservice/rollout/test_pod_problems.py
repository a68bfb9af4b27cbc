"""What keeps a candidate's Pods from answering: what is said of it, and when it is given up."""

from dataclasses import dataclass
from typing import Any

import pytest

from modelops.controllers.inferenceservice.rollout.pod_problems import hopeless, worst
from modelops.machinery.conditions import find
from support.builders.inferenceservices import ended, inference_service, pod, pod_body, revision_of, waits
from support.builders.modelversions import version
from support.fake_cluster import Cluster

SERVICE = inference_service(pinned="mortgage-1")
V1, V2 = version("mortgage-1"), version("mortgage-2", letter="b")
R2 = revision_of(SERVICE, V2)
MISMATCH = '{"failure": {"reason": "DigestMismatch", "message": "what is there has another digest"}}'
UNREACHABLE = MISMATCH.replace("DigestMismatch", "StoreUnreachable")


def crashed(times: int, *end: Any, **more: Any) -> dict[str, Any]:
    """A container that has been started again so many times."""
    return {**ended(*end, **more), "restartCount": times}


@dataclass(frozen=True)
class Case:
    """How the only Pod of a candidate is, and what is said. `given_up`: it is rolled back at once."""

    name: str
    pod: dict[str, Any]
    reason: str
    message: str
    stalled: bool = False
    given_up: bool = False


CASES = [
    Case(
        "a container that crashes says what it said last",
        {"containers": [crashed(1, "model", 1, "no module named x")]},
        "CrashLoopBackOff",
        "container model ended with exit code 1: no module named x",
    ),
    Case(
        "one that was just started again has not got better",
        {"containers": [crashed(1, "model", 1, "boom", waits=False)]},
        "CrashLoopBackOff",
        "container model ended with exit code 1: boom",
    ),
    Case(
        "one that crashes again and again is given up",
        {"containers": [crashed(3, "model", 1, "no module named x")]},
        "CrashLoopBackOff",
        "no module named x",
        given_up=True,
    ),
    Case(
        "but not before its third try has ended as well",
        {"containers": [crashed(2, "model", 1, "the store is away", waits=False)]},
        "CrashLoopBackOff",
        "the store is away",
    ),
    Case(
        "which is then",
        {"containers": [crashed(2, "model", 1, "the store is away")]},
        "CrashLoopBackOff",
        "the store is away",
        given_up=True,
    ),
    Case(
        "a model server shall not end, not even well",
        {"containers": [crashed(3, "model", 0, "bye", reason="Completed")]},
        "CrashLoopBackOff",
        "ended with exit code 0: bye",
        given_up=True,
    ),
    Case(
        "a model that is too big for its memory is told apart",
        {"containers": [crashed(1, "model", 137, "", "OOMKilled")]},
        "OOMKilled",
        "ended with exit code 137 (OOMKilled)",
    ),
    Case(
        "bytes of another digest never serve, and waiting does not help",
        {"init": [crashed(0, "fetch-model", 42, MISMATCH)]},
        "DigestMismatch",
        "what is there has another digest",
        given_up=True,
    ),
    Case(
        "a store that is down is waited for",
        {"init": [crashed(1, "fetch-model", 1, UNREACHABLE)]},
        "StoreUnreachable",
        "what is there has another digest",
    ),
    Case(
        "an image that cannot be had needs a person",
        {"containers": [waits("model", "ErrImagePull", "not found")]},
        "ImagePullFailed",
        "container model: not found",
        stalled=True,
    ),
    Case(
        "a container that cannot be started does, too",
        {"containers": [waits("model", "CreateContainerConfigError", 'secret "hub" not found')]},
        "CreateContainerConfigError",
        'secret "hub" not found',
        stalled=True,
    ),
    Case(
        "a Pod that no node takes says so in the scheduler's words",
        {"unschedulable": "0/1 nodes are available"},
        "Unschedulable",
        "0/1 nodes are available",
    ),
]


@pytest.mark.parametrize("rollout", [None, {"steps": [{"weight": 50}]}], ids=["Pod by Pod", "in steps"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_said(case: Case, rollout: Any) -> None:
    """In the conditions, and while it is a candidate in its status; and the old version goes on whatever it is."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout=rollout), [V1])
    cluster.settle(4)
    cluster.want_version(V2)
    cluster.look()
    deployment = cluster.object("Deployment", f"mortgage-{R2}")
    assert deployment is not None
    cluster.pods["c"] = pod_body(deployment["spec"]["template"], "c", ready=False, **case.pod)
    cluster.look()
    status = cluster.service.status
    ready = find(status.conditions, "Ready")
    assert ready is not None
    assert case.message in ready.message
    assert (find(status.conditions, "Stalled") is not None) == (case.stalled or case.given_up)
    if case.given_up:
        assert "mortgage-2 was rolled back" in ready.message
        assert "modelops.dev/retry" in ready.message
        assert (status.candidate, status.failed[0].reason) == (None, case.reason)
    else:
        assert status.candidate is not None
        assert case.message in (status.candidate.problem or "")
        assert status.failed == []
    if case.stalled or case.given_up or rollout is None:
        assert ready.reason == case.reason
    if case.stalled or case.given_up:
        assert "mortgage-1 goes on serving" in ready.message
    assert status.stable is not None
    assert (status.stable.version, status.stable.ready) == ("mortgage-1", 2)


@pytest.mark.parametrize(
    ("message", "stalled"),
    [
        ('pods "mortgage" is forbidden: serviceaccount "judge" not found', True),
        ('pods "mortgage" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2', False),
    ],
    ids=["a person has to do something", "room may come by itself"],
)
@pytest.mark.parametrize("number", [1, 2], ids=["the first version", "the next one"])
def test_pods_that_cannot_be_made(number: int, message: str, stalled: bool) -> None:
    """There is no Pod to say why, and nothing had been said but how many there were until the deadline."""
    cluster = Cluster(inference_service(pinned="mortgage-1", rollout={"steps": [{"weight": 50}]}), [V1])
    if number == 2:
        cluster.settle(4)
        cluster.want_version(V2)
    cluster.look()
    body = cluster.object("Deployment", f"mortgage-{revision_of(SERVICE, V2 if number == 2 else V1)}")
    assert body is not None
    failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    body["status"] = {"conditions": [failed]}
    cluster.look()
    ready = find(cluster.service.status.conditions, "Ready")
    assert ready is not None
    assert message in ready.message
    assert (find(cluster.service.status.conditions, "Stalled") is not None) == stalled


CRASHES = {"ready": False, "containers": [crashed(9, "model", 1, "boom")]}


@pytest.mark.parametrize(
    ("pods", "given_up"),
    [
        ([pod(SERVICE, V2, "a", **{**CRASHES, "ready": True})], False),
        ([pod(SERVICE, V2, "a", **CRASHES, ending=True)], False),
        ([pod(SERVICE, V2, "a", **CRASHES, phase="Failed")], False),
        ([pod(SERVICE, V2, "a"), pod(SERVICE, V2, "b", **CRASHES)], True),
        ([], False),
    ],
    ids=["it answers again", "it goes", "it was evicted", "one of two", "none"],
)
def test_who_is_given_up(pods: list[Any], given_up: bool) -> None:
    """Only by a Pod that counts and does not answer."""
    assert (hopeless(pods) is not None) == given_up


def test_what_a_person_must_change_is_said_first() -> None:
    """Of many Pods the newest that has something to say, unless one waits for a person."""
    quiet = pod(SERVICE, V2, "z", ready=False)
    crashes = pod(SERVICE, V2, "y", ready=False, containers=[crashed(1, "model", 1, "boom")])
    stuck = pod(SERVICE, V2, "a", ready=False, containers=[waits("model", "ErrImagePull", "not found")])
    for pods, expected in (
        ([quiet], None),
        ([quiet, crashes], "CrashLoopBackOff"),
        ([quiet, crashes, stuck], "ImagePullFailed"),
    ):
        found = worst(pods)
        assert (found.reason if found is not None else None) == expected
