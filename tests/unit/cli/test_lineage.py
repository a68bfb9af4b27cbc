"""Lineage from the annotations of a Pod alone."""

import json
from typing import Any

import pytest

from modelops.api.modelversion import ModelVersion
from modelops.cli import render
from modelops.cli.lineage import one_pod_per_version, trace_lineage
from modelops.cli.patches import RequestRefusedError
from modelops.controllers.inferenceservice.pod.template import lineage_annotations
from support.controllers.cli_objects import DIGEST

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
    terminating: bool = False,
) -> dict[str, Any]:
    """Return a Pod with the annotations that the operator writes."""
    spec = {
        "model": "mortgage",
        "artifact": {"uri": "s3://models/1/", "digest": DIGEST, "format": "sklearn", "bytes": 1},
        "origin": origin or {"imported": {"source": "a notebook"}},
    }
    annotations = lineage_annotations(ModelVersion.model_validate({"metadata": {"name": version}, "spec": spec}))
    labels = {"modelops.dev/modelversion": version}
    metadata: dict[str, Any] = {"name": name, "labels": labels, "annotations": annotations}
    if terminating:
        metadata["deletionTimestamp"] = "2026-11-25T12:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


def test_a_lineage_leads_from_a_pod_to_the_data() -> None:
    """The plugin reads what the operator writes, and needs no other object."""
    datasets = [{"name": "train", **DATA}, {"name": "test", **DATA, "dataset": "held-out"}]
    assert render.lineage(trace_lineage(pod(origin={**RUN, "datasets": datasets}))) == [
        "Pod           mortgage-x",
        f"  └ ModelVersion  mortgage-1  artifact {DIGEST}",
        f"    └ TrainingRun   train  input key {KEY}",
        f"      └ Image         trainer@{DIGEST}",
        f"      └ Dataset       applications  {DIGEST}",
        "        └ Manifest      s3://m/1  1,234 objects",
        f"      └ Dataset       held-out  {DIGEST}",
        "        └ Manifest      s3://m/1  1,234 objects",
    ]


def test_the_lineage_of_an_imported_model_ends_at_its_source() -> None:
    assert render.lineage(trace_lineage(pod()))[2:] == ["    └ Imported      from a notebook"]


@pytest.mark.parametrize(
    "annotations",
    [None, {}, {"modelops.dev/lineage": "{"}, {"modelops.dev/lineage": json.dumps({"datasets": []})}],
    ids=["no annotations", "no lineage", "lineage is not JSON", "lineage without a version"],
)
def test_a_pod_that_does_not_serve_a_model_is_refused(annotations: dict[str, str] | None) -> None:
    with pytest.raises(RequestRefusedError, match="Pod other does not serve a model"):
        trace_lineage({"metadata": {"name": "other", "annotations": annotations}})


def test_one_pod_of_each_served_version_is_chosen() -> None:
    """During a rollout there are two versions. Ready Pods are preferred, terminating and failed Pods left out."""
    pods = [
        pod("a", ready=False),
        pod("b"),
        pod("c"),
        pod("d", version="mortgage-2", ready=False),
        pod("e", version="mortgage-3", terminating=True),
        pod("f", version="mortgage-4", phase="Failed"),
    ]
    assert [pod["metadata"]["name"] for pod in one_pod_per_version(pods)] == ["b", "d"]
