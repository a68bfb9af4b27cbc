"""What only looks like a child of an object changes nothing about the object, whoever has made it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.cluster import real_cluster
from support.cluster.polling import poll
from support.cluster.real_cluster import Body, RealCluster, Space, has

_FINALIZER = "tests.modelops.dev/hold"
"""Keeps the garbage collector from removing a forged object before the operator has seen it."""
_SLEEPS = "import time; time.sleep(600)"
_FORGER = ("--as=forger", "--as-group=system:masters", "--as-group=system:serviceaccounts:kube-system")
"""User whom no policy of the chart holds: what it forges is stopped by the operator alone."""


@pytest.fixture
def attacker(cluster: RealCluster) -> Iterator[Space]:
    """Create the namespace of somebody else."""
    with real_cluster.space_of_its_own(cluster) as own:
        yield own


def _owner(body: Body, api_version: str, **changes: object) -> Body:
    metadata = body["metadata"]
    reference = {"apiVersion": api_version, "kind": body["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**reference, "controller": True, **changes}


def _copy(body: Body, kind: str, api_version: str, name: str, namespace: str, owner: Body, **spec: object) -> Body:
    """Return an object with the labels and the spec of another one, below an owner of choice."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": body["metadata"]["labels"],
        "ownerReferences": [owner],
        "finalizers": [_FINALIZER],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {**body["spec"], **spec}}


def _forged_job(job: Body, name: str, namespace: str, owner: Body) -> Body:
    """Return a Job without Pods that looks like another one. Kubernetes gives it labels and a selector of its own."""
    template = job["spec"]["template"]
    labels = {
        name: value for name, value in template["metadata"]["labels"].items() if "batch.kubernetes.io" not in name
    }
    plain = {name: value for name, value in labels.items() if name not in ("controller-uid", "job-name")}
    forged = _copy(job, "Job", "batch/v1", name, namespace, owner, suspend=True)
    forged["spec"].pop("selector", None)
    forged["spec"]["template"] = {"metadata": {"labels": plain}, "spec": template["spec"]}
    return forged


@contextmanager
def _held(cluster: RealCluster, *bodies: Body) -> Iterator[None]:
    """Create forged objects, and let go of them after the block."""
    try:
        for body in bodies:
            cluster.kubectl("create", *_FORGER, "-f", "-", input_=json.dumps(body))
        yield
    finally:
        for body in bodies:
            metadata = body["metadata"]
            name = f"{body['kind'].lower()}/{metadata['name']}"
            patch = json.dumps({"metadata": {"finalizers": None}})
            if cluster.api.get(body["kind"].lower(), metadata["name"], metadata["namespace"]) is not None:
                where = ("--namespace", metadata["namespace"])
                cluster.kubectl(*where, "patch", name, *_FORGER, "--type=merge", "-p", patch)


def _known(status: Body) -> Body:
    """Return what of a run's status may not change: all but the progress and the request that shows a reconcile."""
    kept = {name: value for name, value in status.items() if name not in ("progress", "lastHandledRetry")}
    return {**kept, "conditions": [(entry["type"], entry["status"], entry["reason"]) for entry in kept["conditions"]]}


def _unschedulable(pod: Body | None) -> bool:
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(entry["type"] == "PodScheduled" and entry["status"] == "False" for entry in conditions)


def test_a_forged_child_changes_no_status_of_the_victim(cluster: RealCluster, space: Space, attacker: Space) -> None:
    """A UID can be read with the right to view, and written into any Pod or Job, also of another namespace.

    Were such a Pod believed, the run would show that no node fits; were such a Job, the run would start again.
    """
    space.apply(space.run("train", _SLEEPS, None))
    before = space.wait("trainingrun", "train", has("Running"), within=180)
    (job,) = space.listed("jobs", "modelops.dev/trainingrun=train")
    (pod,) = space.listed("pods", "modelops.dev/trainingrun=train")
    assert before["status"]["jobs"] == [{"name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}]
    job, pod = {**job, "kind": "Job"}, {**pod, "kind": "Pod"}
    nowhere = {"nodeSelector": {"tests.modelops.dev/nowhere": "true"}, "nodeName": None}
    run = _owner(before, "modelops.dev/v1alpha1", kind="TrainingRun")
    stranger = "00000000-0000-4000-8000-000000000000"
    forged_pod = _copy(pod, "Pod", "v1", "a-forged", attacker.name, _owner(job, "batch/v1"), **nowhere)
    forged_pod["spec"].pop("nodeName")
    forged = [
        forged_pod,
        _forged_job(job, "a-forged", attacker.name, run),
        _forged_job(job, "b-forged", space.name, {**run, "uid": stranger}),
        _forged_job(job, "c-forged", space.name, {**run, "controller": False}),
    ]
    with _held(cluster, *forged):
        poll(
            lambda: cluster.api.get("pod", "a-forged", attacker.name),
            _unschedulable,
            within=30,
            awaited="the scheduler's word on the forged Pod",
        )
        cluster.kubectl("--namespace", space.name, "annotate", "trainingrun", "train", "modelops.dev/retry=1")
        after = space.wait("trainingrun", "train", lambda body: body["status"]["lastHandledRetry"] == "1")
        assert _known(after["status"]) == _known(before["status"])
        listed = space.listed("jobs", "modelops.dev/trainingrun=train")
        kept = {entry["metadata"]["name"] for entry in listed if "deletionTimestamp" not in entry["metadata"]}
        assert {job["metadata"]["name"], "c-forged"} <= kept
