"""Lineage, by the annotations of a Pod alone."""

import json
from typing import Any

import pytest

from modelops.api.modelversion import ModelVersion
from modelops.cli import render
from modelops.cli.lineage import one_pod_per_version, trace_lineage
from modelops.cli.patches import RequestRefusedError
from modelops.controllers.inferenceservice.pod.template import lineage_annotations
from support.cli_objects import DIGEST

KEY = "sha256:" + "b" * 64
RUN = {"trainingRun": {"name": "train", "uid": "u", "inputKey": KEY}, "image": f"trainer@{DIGEST}"}
DATA = {"dataset": "applications", "digest": DIGEST, "manifest": "s3://m/1", "versioned": True, "objects": 1234}


def pod(
    name: str = "mortgage-x",
    *,
    origin: dict[str, Any] | None = None,
    version: str = "mortgage-1",
    phase: str = "Running",
    ready: bool = True,
    ending: bool = False,
) -> dict[str, Any]:
    """A Pod with the marks that the operator gives it."""
    spec = {
        "model": "mortgage",
        "artifact": {"uri": "s3://models/1/", "digest": DIGEST, "format": "sklearn", "bytes": 1},
        "origin": origin or {"imported": {"source": "a notebook"}},
    }
    marks = lineage_annotations(ModelVersion.model_validate({"metadata": {"name": version}, "spec": spec}))
    metadata: dict[str, Any] = {"name": name, "labels": {"modelops.dev/modelversion": version}, "annotations": marks}
    if ending:
        metadata["deletionTimestamp"] = "2026-11-25T12:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


def test_from_a_pod_to_the_data() -> None:
    """What the operator writes on a Pod is what is read here: the whole chain, should all else be gone."""
    datasets = [{"name": "train", **DATA}, {"name": "test", **DATA, "dataset": "held-out"}]
    assert render.lineage(trace_lineage(pod(origin={**RUN, "datasets": datasets}))) == [
        "Pod           mortgage-x",
        f"  └ ModelVersion  mortgage-1  artifact {DIGEST}",
        f"    └ TrainingRun   train  inputs {KEY}",
        f"      └ Image         trainer@{DIGEST}",
        f"      └ Dataset       applications  {DIGEST}",
        "        └ Manifest      s3://m/1  1,234 objects",
        f"      └ Dataset       held-out  {DIGEST}",
        "        └ Manifest      s3://m/1  1,234 objects",
    ]


def test_a_model_from_elsewhere() -> None:
    """Its source in words is all that is known."""
    assert render.lineage(trace_lineage(pod()))[2:] == ["    └ Imported      from a notebook"]


@pytest.mark.parametrize(
    "annotations",
    [None, {}, {"modelops.dev/lineage": "{"}, {"modelops.dev/lineage": json.dumps({"datasets": []})}],
    ids=["none at all", "no lineage", "not JSON", "a training Pod"],
)
def test_a_pod_that_serves_nothing(annotations: dict[str, str] | None) -> None:
    """One sentence, and no traceback."""
    with pytest.raises(RequestRefusedError, match="Pod other does not serve a model"):
        trace_lineage({"metadata": {"name": "other", "annotations": annotations}})


def test_one_pod_of_each_version_that_serves() -> None:
    """During a rollout two versions answer, and both have an origin. A Pod that answers is worth more than one that
    may, and one that goes is worth nothing.
    """
    pods = [
        pod("a", ready=False),
        pod("b"),
        pod("c"),
        pod("d", version="mortgage-2", ready=False),
        pod("e", version="mortgage-3", ending=True),
        pod("f", version="mortgage-4", phase="Failed"),
    ]
    assert [one["metadata"]["name"] for one in one_pod_per_version(pods)] == ["b", "d"]
