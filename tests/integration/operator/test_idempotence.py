"""A chain that has settled is left alone: applying it again and a new operator write nothing at all."""

import time

import pytest

from modelops.api.crds import KINDS
from support import operator_metrics, operator_process
from support.real_cluster import Body, Space, has

_OURS = ("datasets", "trainingruns", "modelversions", "inferenceservices", "jobs", "deployments", "services")


@pytest.mark.ends_the_operator
def test_nothing_is_written_once_a_chain_has_settled(space: Space) -> None:
    """Every write is a reason: to apply the same again, to look at everything again and to begin anew after the loss of
    the replica that acts cost the API server nothing, and touch no object of anybody.
    """
    manifests = _manifests(space)
    space.upload("data/a.csv", "x,y\n1,2\n3,4\n")
    space.apply(*manifests)
    run = space.wait("trainingrun", "train", has("Ready"))
    space.wait("modelversion", run["status"]["modelVersion"], has("Ready", "False", "AwaitingApproval"))
    space.wait("inferenceservice", "serve", has("Reconciling", "True", "NoReadyVersion"))
    space.wait("modelversion", "imported", has("Stalled", "True", "GateFailed"))
    settled = _settled(space)

    space.apply(*manifests)
    _looked_again(space)
    assert _versions(space) == settled

    operator_process.kill_leader(space.cluster)
    operator_metrics.wait_until_all_reconciled(space.cluster, KINDS)
    _looked_again(space)
    space.apply(*manifests)
    _looked_again(space)
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
                "artifact": {"uri": "s3://a/b/", "digest": "sha256:" + "a" * 64, "format": "onnx", "bytes": 1},
                "origin": {"imported": {"source": "a notebook"}, "metrics": {"accuracy": 0.5}},
                "gates": gates,
            },
        ),
        space.object("InferenceService", "serve", {"model": {"name": "train"}, "server": {"runtime": "sklearn"}}),
    ]


def _versions(space: Space) -> dict[str, str]:
    """The resourceVersion of everything of ours in the namespace: any write of anybody would change one."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for one in space.listed(",".join(_OURS))
    }


def _settled(space: Space, within: float = 30.0) -> dict[str, str]:
    """The same, once two looks of the operator in a row have left it as it was."""
    deadline = time.monotonic() + within
    before = _versions(space)
    while True:
        _looked_again(space)
        now = _versions(space)
        if now == before:
            return now
        assert time.monotonic() < deadline, (
            f"still written to after {within:.0f} s: {dict(now.items() - before.items())}"
        )
        before = now


def _looked_again(space: Space) -> None:
    """A full turn of the operator that acts: a Dataset made now is Ready only once it has seen the present, and then
    the source of each older one has been looked at as well.
    """
    name = f"witness-{time.monotonic_ns()}"
    witness = space.dataset(name, prefix="there-is-nothing-here/", interval="1s")
    space.apply(witness)
    space.wait("dataset", name, has("Stalled", "True", "EmptyPrefix"))
    space.cluster.kubectl("delete", "dataset", name, "-n", space.name)
    space.cluster.gone("dataset", name, space.name)
