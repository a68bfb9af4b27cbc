"""Objects for planners' tests, with defaults, so that a case shows only what matters to it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops.api.base import Model
from modelops.api.dataset import Dataset
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState, job_state
from modelops.machinery.conditions import Wanted, timestamp
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "team-a"
PINNED = "registry.example/train@sha256:" + "a" * 64


def digest(letter: str) -> str:
    """A digest that is told apart by one hex digit."""
    return "sha256:" + letter * 64


def ago(**length: float) -> str:
    """A timestamp that lies back by so much."""
    return timestamp(NOW - timedelta(**length))


def settings(**changes: Any) -> Settings:
    """The operator's settings."""
    given = {
        "images": {"worker": "worker:1", "monitor": "monitor:1"},
        "store": {"url": "s3://store/ml", "endpoint": "http://s3:8333", "secretName": "store"},
    }
    return Settings.model_validate(given | changes)


def metadata(name: str, **more: Any) -> Body:
    """An object's metadata."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resourceVersion": "1",
        **more,
    }


S3: Body = {"s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://s3:8333"}}
CLAIM: Body = {"pvc": {"claimName": "files", "path": "mortgage/2026"}}


def dataset(
    name: str = "mortgage",
    status: Body | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Dataset:
    """A Dataset of CSV files in S3."""
    about = metadata(name, generation=generation, annotations=annotations or {})
    return Dataset.model_validate({"metadata": about, "spec": {"source": S3, **spec}, "status": status or {}})


def snapshot(letter: str = "a", **changes: Any) -> Body:
    """A snapshot as the status has it."""
    return {
        "digest": digest(letter),
        "objects": 3,
        "bytes": 300,
        "rows": 30,
        "manifest": f"s3://store/ml/datasets/manifests/{letter}",
        "profile": f"s3://store/ml/datasets/profiles/{letter}",
        "takenAt": ago(hours=1),
        "source": S3,
        "versioned": True,
        "checkedWith": "other checks",
        **changes,
    }


def training_run(
    name: str = "train",
    status: Body | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> TrainingRun:
    """A TrainingRun on one Dataset with a pinned image."""
    given: Body = {
        "datasets": [{"name": "train", "ref": {"name": "mortgage"}}],
        "parameters": {"max_depth": "4"},
        "trainer": {"image": PINNED, "command": ["python", "train.py"]},
        "output": {"model": "mortgage", "format": "sklearn"},
    }
    meta = metadata(name, generation=generation, annotations=annotations or {})
    body = {"metadata": meta, "spec": given | spec, "status": status or {}}
    return TrainingRun.model_validate(body)


def terminated(code: int, report: Model | Body | str | None = None, reason: str = "", at: str = "") -> Body:
    """A container's state after its end, with what it left as its termination message."""
    text = report.wire() if isinstance(report, Model) else report
    message = text if isinstance(text, str) else "" if text is None else json.dumps(text)
    ended = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "message": message}
    return {"terminated": ended | ({"finishedAt": at} if at else {})}


RUNNING: Body = {"running": {"startedAt": ago(minutes=1)}}


def waiting(reason: str, message: str = "") -> Body:
    """A container's state before its start."""
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    phase: str = "Running",
    init: Body | None = None,
    name: str = "pod-1",
    reason: str = "",
    rank: int | None = None,
    disrupted: str = "",
    message: str = "",
    **containers: Body,
) -> Body:
    """A Pod whose containers are in these states. `init` is the state of `fetch`."""

    def statuses(states: Body) -> list[Body]:
        return [
            {"name": one, "state": state, "imageID": f"example/{one}@{digest('e')}", "restartCount": 0}
            for one, state in states.items()
        ]

    status: Body = {"phase": phase, "containerStatuses": statuses(containers)}
    if init is not None:
        status["initContainerStatuses"] = statuses({"fetch": init})
    if reason:
        status |= {"reason": reason, "message": message or f"the node says {reason}"}
    if disrupted:
        status["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": disrupted}]
    annotations = {} if rank is None else {"batch.kubernetes.io/job-completion-index": str(rank)}
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": ago(minutes=2),
            "annotations": annotations,
        },
        "spec": {"nodeName": "node-1"},
        "status": status,
    }


def job(
    name: str,
    *pods: Body,
    ended: str | None = None,
    because: str = "",
    message: str = "",
    spec: Body | None = None,
    ended_ago: timedelta = timedelta(minutes=1),
) -> JobState:
    """A Job, and how it ended: None, Complete or Failed."""
    status: Body = {"active": 1} if ended is None else {"succeeded": 1} if ended == "Complete" else {"failed": 1}
    if ended is not None:
        status["conditions"] = [
            {
                "type": ended,
                "status": "True",
                "reason": because,
                "message": message,
                "lastTransitionTime": timestamp(NOW - ended_ago),
            }
        ]
    made = metadata(name, creationTimestamp=ago(minutes=2))
    body = {"kind": "Job", "metadata": made, "spec": spec or {}, "status": status}
    return job_state(body, pods)


def shown(plan: Plan, type_: str) -> Wanted | None:
    """The condition of a type that a plan wants."""
    return next((one for one in plan.conditions if one.type == type_), None)


def reason(plan: Plan, type_: str = "Ready") -> str | None:
    """`True SnapshotCurrent`, say; None where the condition is absent."""
    one = shown(plan, type_)
    return f"{one.status} {one.reason}" if one is not None else None


def names(bodies: tuple[Body, ...]) -> list[str]:
    """What a plan applies, as `Job name`."""
    return [f"{body['kind']} {body['metadata']['name']}" for body in bodies]


def deleted(plan: Plan) -> list[str]:
    """The names of what a plan deletes."""
    return [one.key.name for one in plan.delete]
