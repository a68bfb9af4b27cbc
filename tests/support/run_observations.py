"""TrainingRuns as their planner sees them, with defaults, so that a case shows only what matters to it."""

from datetime import datetime
from typing import Any

from modelops.api.contract.reports import PublishedArtifact, SidecarReport
from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.inputs.references import References
from modelops.controllers.trainingrun.inputs.rerun import Datasets
from modelops.controllers.trainingrun.inputs.resolution import (
    MissingInput,
    NewInputsNeeded,
    ResolvedInputs,
    current_inputs,
    resolve_inputs,
)
from modelops.controllers.trainingrun.observe import Observation
from support.builders.common import NOW, ago, digest, settings
from support.builders.datasets import dataset, snapshot
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.trainingruns import training_run

MODEL = SidecarReport(
    artifact=PublishedArtifact(uri="s3://store/m/", digest=digest("d"), bytes=9, files=1), metrics={"a": 0.5}
)
ROOMY = {**training_run().spec.trainer.wire(), "resources": {"limits": {"memory": "4Gi"}}}
TAG = {"image": "example/train:latest", "command": ["x"]}


def observe(
    *,
    status: dict[str, Any] | None = None,
    letter: str | None = "a",
    jobs: tuple[JobState, ...] = (),
    versions: tuple[ModelVersion, ...] = (),
    references: References | None = None,
    generation: int = 1,
    versioned: bool = True,
    annotations: dict[str, str] | None = None,
    seen: dict[str, Any] | None = None,
    data: Dataset | None = None,
    **spec: Any,
) -> Observation:
    """A run, and its Dataset with a snapshot of this letter; no letter: without one."""
    run = training_run(status=status, generation=generation, annotations=annotations, **spec)
    data = data or dataset(status={"snapshot": snapshot(letter, versioned=versioned)} if letter else {})
    inputs = inputs_of(run, {"mortgage": data}, references=references)
    return Observation(run, settings(), NOW, inputs, jobs=jobs, versions=versions, **seen or {})


def inputs_of(
    run: TrainingRun, datasets: Datasets, *, references: References | None = None, now: datetime = NOW
) -> ResolvedInputs | MissingInput:
    """Resolve a run's inputs as the controller's `observe` does."""
    current = current_inputs(run, datasets, now)
    if isinstance(current, NewInputsNeeded):
        return resolve_inputs(run, datasets, references or References(), current.scheduled_at, now)
    return current


def key_of(letter: str = "a", **spec: Any) -> ResolvedInputs:
    resolved = observe(letter=letter, **spec).inputs
    assert isinstance(resolved, ResolvedInputs)
    return resolved


def job_of(letter: str = "a", attempt: int = 1, **spec: Any) -> str:
    """The name of the Job of an attempt."""
    return children.job_name(training_run(**spec), key_of(letter, **spec).key, attempt)


def pinned(letter: str = "a", outcome: str | None = None, ended: str = ago(minutes=10), **spec: Any) -> dict[str, Any]:
    """The status of a run that has taken its inputs an hour ago, and how it ended."""
    resolved = key_of(letter, **spec)
    status: dict[str, Any] = {
        "inputKey": resolved.key,
        "inputs": resolved.inputs.wire(),
        "job": job_of(letter, **spec),
        "attempts": 1,
        "startedAt": ago(hours=1),
        "cache": {"result": "Miss", "reason": "before"},
    }
    if outcome == "Failed":
        last = {"number": 1, "reason": "Because", "message": "so", "endedAt": ended, "counted": True}
        status |= {"failures": 1, "failedAttempts": [last]}
    if outcome is not None:
        status["outcome"] = {"state": outcome, "reason": "Because", "message": "so", "finishedAt": ended}
    if outcome == "Succeeded":
        status["artifact"] = {"uri": "s3://store/m/", "digest": digest("d"), "bytes": 9, "image": "x"}
        status["metrics"] = {"a": 0.5}
    return status


def version_of(run: TrainingRun, letter: str = "a", **spec: Any) -> ModelVersion:
    """The ModelVersion that a run has made."""
    status = TrainingRunStatus.model_validate(pinned(letter, "Succeeded", **spec))
    return ModelVersion.model_validate(children.model_version(run, key_of(letter, **spec), status))


VERSION = version_of(training_run())


def running(name: str) -> JobState:
    return job(name, pod(init=terminated(0), trainer=RUNNING, sidecar=RUNNING))


def complete(name: str) -> JobState:
    done = pod("Succeeded", init=terminated(0), trainer=terminated(0), sidecar=terminated(0, MODEL))
    return job(name, done, ended="Complete")


def failed(name: str) -> JobState:
    return job(name, pod("Failed", trainer=terminated(1), sidecar=terminated(0)), ended="Failed")
