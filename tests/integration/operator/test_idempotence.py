"""Reconciliation of unchanged objects: neither a second apply nor a new leader writes anything."""

import time

import pytest

from modelops.api.crds import KINDS
from support.cluster import operator_metrics, operator_process
from support.cluster.polling import PARALLEL_SLOWDOWN
from support.cluster.real_cluster import Body, Space, has

_OURS = ("datasets", "trainingruns", "modelversions", "inferenceservices", "jobs", "deployments", "services")


@pytest.mark.ends_the_operator
def test_nothing_is_written_once_all_objects_are_up_to_date(space: Space) -> None:
    """A second apply, further reconciles and a new leader after SIGKILL leave every resourceVersion unchanged."""
    manifests = _manifests(space)
    space.upload("data/a.csv", "x,y\n1,2\n3,4\n")
    space.apply(*manifests)
    run = space.wait("trainingrun", "train", has("Ready"))
    space.wait("modelversion", run["status"]["modelVersion"], has("Ready", "False", "AwaitingApproval"))
    space.wait("inferenceservice", "serve", has("Reconciling", "True", "NoReadyVersion"))
    space.wait("modelversion", "imported", has("Stalled", "True", "GateFailed"))
    settled = _settled(space)

    space.apply(*manifests)
    _wait_for_a_full_turn(space)
    assert _versions(space) == settled

    operator_process.kill_leader(space.cluster)
    operator_metrics.wait_until_all_reconciled(space.cluster, KINDS)
    _wait_for_a_full_turn(space)
    space.apply(*manifests)
    _wait_for_a_full_turn(space)
    assert _versions(space) == settled


def _manifests(space: Space) -> list[Body]:
    writes = "open('/opt/ml/model/model', 'w').write('a model')"
    gates = [{"metric": "accuracy", "min": 0.9}]
    return [
        space.dataset(interval="1s", schema={"columns": [{"name": "x", "type": "number"}]}),
        space.run(
            script=writes,
            rerunOn=["DatasetChange"],
            output={"model": "train", "format": "sklearn", "versionTemplate": {"approval": "Manual"}},
        ),
        space.object(
            "ModelVersion",
            "imported",
            {
                "model": "train",
                "artifact": {
                    "uri": f"s3://{space.bucket}/b/",
                    "digest": "sha256:" + "a" * 64,
                    "format": "onnx",
                    "bytes": 1,
                },
                "origin": {"imported": {"source": "a notebook"}, "metrics": {"accuracy": 0.5}},
                "gates": gates,
            },
        ),
        space.object("InferenceService", "serve", {"model": {"name": "train"}, "server": {"runtime": "sklearn"}}),
    ]


def _versions(space: Space) -> dict[str, str]:
    """Return the resourceVersion of each object in the namespace, which any write would change."""
    return {
        f"{body['kind']}/{body['metadata']['name']}": body["metadata"]["resourceVersion"]
        for body in space.listed(",".join(_OURS))
    }


def _settled(space: Space, within: float = 30.0) -> dict[str, str]:
    """Return the resourceVersions once a full turn of the operator has left them unchanged."""
    deadline = time.monotonic() + within * PARALLEL_SLOWDOWN
    before = _versions(space)
    while True:
        _wait_for_a_full_turn(space)
        now = _versions(space)
        if now == before:
            return now
        assert time.monotonic() < deadline, (
            f"still written to after {within * PARALLEL_SLOWDOWN:.0f} s: {dict(now.items() - before.items())}"
        )
        before = now


def _wait_for_a_full_turn(space: Space) -> None:
    """Wait for a full turn of the leader, which has reached a new Dataset.

    The leader has then received all earlier changes, and has probed the sources of older Datasets with the same
    interval.
    """
    name = f"witness-{time.monotonic_ns()}"
    witness = space.dataset(name, prefix="there-is-nothing-here/", interval="1s")
    space.apply(witness)
    space.wait("dataset", name, has("Stalled", "True", "EmptyPrefix"))
    space.cluster.kubectl("delete", "dataset", name, "-n", space.name)
    space.cluster.gone("dataset", name, space.name)
