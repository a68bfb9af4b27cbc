"""Builders of objects that `kubectl modelops` reads from the API server."""

from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun

Json = dict[str, Any]

DIGEST = "sha256:" + "a" * 64
SINCE = "2026-11-25T12:00:00Z"
_REVISION = {"digest": DIGEST, "revision": "c3d4e5", "replicas": 2, "ready": 2}


def service(
    *,
    rollout: Json | None = None,
    stable: str | None = "mortgage-1",
    candidate: Json | None = None,
    failed: list[Json] | None = None,
    conditions: list[Json] | None = None,
    annotations: Json | None = None,
    generation: int = 3,
) -> InferenceService:
    """Return an InferenceService `mortgage`, by default without a candidate."""
    status: Json = {"failed": failed or [], "conditions": conditions or []}
    if stable is not None:
        status["stable"] = {"version": stable, **_REVISION}
    if candidate is not None:
        status["candidate"] = candidate
    spec: Json = {"model": {"name": "mortgage"}, "server": {"runtime": "sklearn"}}
    if rollout is not None:
        spec["rollout"] = rollout
    return InferenceService.model_validate(
        {"metadata": _metadata("mortgage", annotations, generation=generation), "spec": spec, "status": status}
    )


def candidate(**more: Any) -> Json:
    """Return a candidate in the first of two steps, with 5% of the traffic."""
    defaults = {"version": "mortgage-2", "since": SINCE, "step": 1, "steps": 2, "weight": 5, "stepSince": SINCE}
    return {**_REVISION, **defaults, **more}


def failure(**more: Any) -> Json:
    """Return a failed version whose rollout was aborted in step 2."""
    defaults = {"version": "mortgage-0", "digest": DIGEST, "revision": "e5", "attempt": "e5-1", "at": SINCE}
    return {**defaults, "step": 2, "weight": 50, "reason": "Aborted", "message": "answers look wrong", **more}


def canary(*steps: Json) -> Json:
    """Return a Canary, by default with 5% for 10 minutes, then 50% until a person promotes."""
    return {"strategy": "Canary", "steps": list(steps) or [{"weight": 5, "hold": "10m"}, {"weight": 50}]}


def condition(
    type_: str, status: str, reason: str = "RollingOut", message: str = "a message of the operator", generation: int = 3
) -> Json:
    """Return a condition of this generation of the spec."""
    fields = {"type": type_, "status": status, "reason": reason, "message": message}
    return {**fields, "lastTransitionTime": SINCE, "observedGeneration": generation}


def version(
    *, approval: str = "Manual", annotations: Json | None = None, gates: list[Json] | None = None
) -> ModelVersion:
    """Return a ModelVersion `mortgage-2`."""
    return ModelVersion.model_validate(
        {
            "metadata": _metadata("mortgage-2", annotations),
            "spec": {
                "model": "mortgage",
                "artifact": {"uri": "s3://models/2/", "digest": DIGEST, "format": "sklearn", "bytes": 1},
                "origin": {"imported": {"source": "a test"}},
                "approval": approval,
            },
            "status": {"gates": gates or []},
        }
    )


def run(*, outcome: str | None = None, job: str | None = None, sweep: str | None = None) -> TrainingRun:
    """Return a TrainingRun `train`, under way if `outcome` is None."""
    status: Json = {}
    if outcome is not None:
        status["outcome"] = {
            "state": outcome,
            "reason": outcome,
            "message": "a message of the operator",
            "finishedAt": SINCE,
        }
    if job is not None:
        status["job"] = job
    labels = {"modelops.dev/sweep": sweep} if sweep is not None else {}
    return TrainingRun.model_validate(
        {
            "metadata": _metadata("train", None, labels=labels),
            "spec": {
                "trainer": {"image": "trainer:1", "command": ["train"]},
                "output": {"model": "mortgage", "format": "sklearn"},
            },
            "status": status,
        }
    )


def _metadata(name: str, annotations: Json | None, **more: Any) -> Json:
    return {"name": name, "namespace": "team", "annotations": annotations or {}, **more}
