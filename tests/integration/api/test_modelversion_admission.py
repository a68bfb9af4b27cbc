"""The API server rejects each mistake in a ModelVersion, and every change of its spec."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.cluster.admission import ABSENT, DIGEST, ORIGIN_DATASET, Mistake, assert_rejected, changed, minimal
from support.cluster.api_server import ApiServer, causes, message
from support.cluster.real_cluster import RealCluster

MISTAKES = [
    Mistake("a model is required", {"model": ABSENT}, says=["spec.model: Required value"]),
    Mistake("a model's name must be a DNS label", {"model": "Approval 2"}, says=["spec.model", "should match"]),
    Mistake("an artifact must be in S3", {"artifact.uri": "https://models/"}, says=["spec.artifact.uri"]),
    Mistake("a digest is required", {"artifact.digest": ABSENT}, says=["spec.artifact.digest: Required value"]),
    Mistake(
        "a digest must have 64 hex digits",
        {"artifact.digest": "sha256:abc"},
        says=["spec.artifact.digest", "should match"],
    ),
    Mistake(
        "a digest must be lower case",
        {"artifact.digest": "sha256:" + "A" * 64},
        says=["spec.artifact.digest", "should match"],
    ),
    Mistake(
        "a format must be supported", {"artifact.format": "pickle"}, says=["spec.artifact.format: Unsupported value"]
    ),
    Mistake(
        "a size must not be negative",
        {"artifact.bytes": -1},
        says=["spec.artifact.bytes", "greater than or equal to 0"],
    ),
    Mistake("an origin is required", {"origin": ABSENT}, says=["spec.origin: Required value"]),
    Mistake(
        "an origin must set trainingRun or imported",
        {"origin": {}},
        says=["set exactly one of trainingRun and imported"],
    ),
    Mistake(
        "an origin must not set both trainingRun and imported",
        {"origin.trainingRun": {"name": "a", "uid": "b", "inputKey": DIGEST}},
        says=["set exactly one of trainingRun and imported"],
    ),
    Mistake(
        "an import's source must not be empty",
        {"origin.imported": {"source": ""}},
        says=["spec.origin.imported.source"],
    ),
    Mistake(
        "a metric must be a number", {"origin.metrics": {"accuracy": "good"}}, says=["spec.origin.metrics.accuracy"]
    ),
    Mistake(
        "a version must have at most 50 metrics",
        {"origin.metrics": {f"m{n}": n for n in range(51)}},
        says=["spec.origin.metrics: Too many"],
    ),
    Mistake(
        "a Dataset must not be listed twice as an origin",
        {"origin.datasets": [ORIGIN_DATASET] * 2},
        says=["spec.origin.datasets[1]: Duplicate value"],
    ),
    Mistake("a gate must name a metric", {"gates": [{"min": 1}]}, says=["spec.gates[0].metric: Required value"]),
    Mistake("a gate must set min or max", {"gates": [{"metric": "a"}]}, says=["spec.gates[0]", "set min, max or both"]),
    Mistake(
        "a gate's min must not be greater than its max",
        {"gates": [{"metric": "a", "min": 2, "max": 1}]},
        says=["spec.gates[0]", "min must not be greater than max"],
    ),
    Mistake(
        "a version must have at most 32 gates",
        {"gates": [{"metric": f"m{n}", "min": 1} for n in range(33)]},
        says=["spec.gates: Too many"],
    ),
    Mistake("approval must be Automatic or Manual", {"approval": "Later"}, says=["spec.approval: Unsupported value"]),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_a_model_version_is_rejected(api: ApiServer, mistake: Mistake) -> None:
    """A person reads one sentence that names the field, at once, and the operator never sees the object."""
    assert_rejected(api, "ModelVersion", mistake)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.artifact.digest", "sha256:" + "b" * 64, id="another digest"),
        pytest.param("spec.origin.metrics", {"accuracy": 1}, id="another metric"),
        pytest.param("spec.gates", [{"metric": "accuracy", "min": 0}], id="another gate"),
        pytest.param("spec.approval", "Manual", id="another kind of approval"),
    ],
)
def test_a_model_version_cannot_be_changed(version: str, api: ApiServer, path: str, value: Any) -> None:
    """The spec of a version is immutable, including its gates: the message says to create another version."""
    messages = causes(api.change("ModelVersion", version, "one", changed({}, {path: value})))
    assert len(messages) == 1, messages
    assert messages[0].startswith("spec: ")
    assert "a ModelVersion is immutable; create a new one with another name" in messages[0]


def test_the_labels_of_a_model_version_can_be_changed(version: str, api: ApiServer) -> None:
    """Only the spec is immutable, not the labels that people add."""
    answer = api.change("ModelVersion", version, "one", changed({}, {"metadata.labels": {"team": "risk"}}))
    assert answer.status_code == 200, message(answer)


@pytest.fixture(scope="module")
def version(cluster: RealCluster, api: ApiServer) -> Iterator[str]:
    """Namespace with a ModelVersion."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    made = api.create(changed(minimal("ModelVersion"), {"metadata.namespace": namespace}), namespace, dry_run=False)
    assert made.status_code == 201, message(made)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
