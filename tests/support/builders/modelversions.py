"""Build ModelVersions."""

from typing import Any

from modelops.api.modelversion import ModelVersion
from modelops.api.types import Condition
from support.builders.common import NAMESPACE, digest

Json = dict[str, Any]


def version(
    name: str = "mortgage-1",
    *,
    letter: str = "a",
    may_serve: bool | None = True,
    why: str = "1/1 gates passed, approval NotRequired",
    created: str = "2026-11-05T10:00:00Z",
    format_: str = "sklearn",
    gates: list[Json] | None = None,
    metrics: dict[str, float] | None = None,
    approval: str = "Automatic",
    annotations: dict[str, str] | None = None,
    status: Json | None = None,
    origin: Json | None = None,
) -> ModelVersion:
    """Build a ModelVersion. `may_serve` is None before the operator has written a status."""
    conditions = [] if may_serve is None else [_ready(may_serve, why)]
    return ModelVersion.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-of-{name}",
                "generation": 1,
                "creationTimestamp": created,
                "annotations": annotations or {},
            },
            "spec": {
                "model": "mortgage",
                "artifact": {
                    "uri": f"s3://store/ml/{NAMESPACE}/models/{letter}/",
                    "digest": digest(letter),
                    "format": format_,
                    "bytes": 4711,
                },
                "origin": origin or _trained(metrics or {}),
                "gates": gates or [],
                "approval": approval,
            },
            "status": status if status is not None else {"conditions": conditions},
        }
    )


def _ready(holds: bool, why: str) -> Json:
    return Condition(
        type="Ready",
        status="True" if holds else "False",
        reason="MayServe" if holds else "GateFailed",
        message=why,
        last_transition_time="2026-11-05T10:00:01Z",
    ).wire()


def _trained(metrics: dict[str, float]) -> Json:
    return {
        "trainingRun": {"name": "mortgage", "uid": "uid-of-run", "inputKey": digest("e")},
        "datasets": [
            {
                "name": "train",
                "dataset": "mortgage",
                "digest": digest("d"),
                "manifest": f"s3://store/ml/{NAMESPACE}/datasets/manifests/d",
                "source": {"bucket": "lake", "prefix": "mortgage/"},
                "versioned": True,
                "objects": 1,
                "objectVersions": [{"key": "mortgage/hmda.csv", "versionId": "1", "size": 9, "etag": "x"}],
            }
        ],
        "image": "trainer@" + digest("f"),
        "metrics": metrics,
    }
