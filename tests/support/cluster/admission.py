"""Valid objects of each kind and single mistakes in them, for tests of what the API server admits."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelops.api.kinds import API_VERSION
from support.cluster.api_server import ApiServer, Body, causes

NAMESPACE = "default"
DIGEST = "sha256:" + "a" * 64
ABSENT = object()
"""Value of a field to remove."""
MINIMAL_SPECS: dict[str, Body] = {
    "Dataset": {"source": {"s3": {"bucket": "data"}}},
    "TrainingRun": {
        "trainer": {"image": "trainer:1", "command": ["train"]},
        "output": {"model": "approval", "format": "sklearn"},
    },
    "ModelVersion": {
        "model": "approval",
        "artifact": {"uri": "s3://models/approval/", "digest": DIGEST, "format": "sklearn", "bytes": 1},
        "origin": {"imported": {"source": "a notebook"}},
    },
    "InferenceService": {"model": {"name": "approval"}, "server": {"runtime": "sklearn"}},
}
"""Spec of the smallest valid object of each kind."""
TRAIN_CHANNEL: Body = {"name": "train", "ref": {"name": "data"}}
ORIGIN_DATASET: Body = {
    "name": "train",
    "dataset": "data",
    "digest": DIGEST,
    "manifest": "s3://store/manifest",
    "versioned": True,
    "objects": 1,
}
CONTAINER: Body = {"image": "server:1"}
KEY: Body = {"name": "settings", "key": "a"}
RATE: Body = {"name": "rate", "type": "double", "min": 0.1, "max": 1}
DEPTH: Body = {"name": "depth", "type": "int", "min": 1, "max": 9}
KERNEL: Body = {"name": "kernel", "type": "categorical", "values": ["linear", "rbf"]}


@dataclass(frozen=True)
class Mistake:
    """Changes of a minimal valid spec that violate a single rule."""

    rule: str
    """The violated rule, as a sentence."""
    changes: dict[str, Any]
    """Dotted path in the spec → value, or ABSENT."""
    says: Sequence[str]
    """Parts of the message of the rejection."""

    def __str__(self) -> str:
        return self.rule


def minimal(kind: str, name: str = "one") -> Body:
    """Build the smallest valid object of a kind."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(MINIMAL_SPECS[kind])}


def changed(body: Body, changes: dict[str, Any]) -> Body:
    """Set values at dotted paths of an object, or remove a field by ABSENT, and return the object.

    Missing objects on the path are created.
    """
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner = body
        for field in parents:
            inner = inner.setdefault(field, {})
        if value is ABSENT:
            inner.pop(last, None)
        else:
            inner[last] = value
    return body


def columns(*columns: Body) -> Body:
    """Build the schema of a Dataset."""
    return {"columns": list(columns)}


def sweep(*parameters: Body, **more: Any) -> Body:
    """Build the sweep of a TrainingRun."""
    return {"parameters": list(parameters), "objective": {"metric": "auc"}, **more}


def assert_rejected(api: ApiServer, kind: str, mistake: Mistake) -> None:
    """Assert that the API server rejects the mistake by exactly one message."""
    body = changed(minimal(kind), {f"spec.{path}": value for path, value in mistake.changes.items()})
    messages = causes(api.create(body, NAMESPACE))
    assert len(messages) == 1, messages
    for words in mistake.says:
        assert words in messages[0]
