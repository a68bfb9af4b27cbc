"""Observations of a TrainingRun, and rows for tests of its plan: a situation, and the plan that must follow from it.

Data is named by the hex digit that fills its digest: `a` is the data that a run has pinned, `b` is newer data.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelops.api.contract.reports import PublishedArtifact, SidecarReport
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
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.plan import Plan
from support.builders.common import NOW, ago, digest, settings
from support.builders.datasets import dataset, snapshot
from support.builders.jobs import RUNNING, job, pod, terminated
from support.builders.plans import condition_of, deleted, names, reason
from support.builders.trainingruns import training_run

SHORTLY = timedelta(seconds=2)
"""Time until the reconcile that follows on a plan's own writes."""
REFERENCES_READ_EVERY = timedelta(seconds=30)
POLLED_EVERY = timedelta(seconds=15)
"""Time between two polls of a trainer's progress."""
DEFAULT_TTL = timedelta(hours=1)
"""Default of `ttlAfterFinished`."""

MODEL = SidecarReport(
    artifact=PublishedArtifact(uri="s3://store/m/", digest=digest("d"), bytes=9, files=1), metrics={"a": 0.5}
)
ROOMY = {**training_run().spec.trainer.wire(), "resources": {"limits": {"memory": "4Gi"}}}
"""Trainer with a memory limit, which the default trainer does not have."""
TAG = {"image": "example/train:latest", "command": ["x"]}
"""Trainer whose image is a mutable tag."""


def observe(
    *,
    data: str | None = "a",
    versioned: bool = True,
    created: str | None = None,
    status: dict[str, Any] | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    jobs: tuple[JobState, ...] = (),
    versions: tuple[ModelVersion, ...] = (),
    references: References | None = None,
    seen: dict[str, Any] | None = None,
    **spec: Any,
) -> Observation:
    """Observe a run whose Dataset has a snapshot of this data, or no snapshot. `seen` has more fields."""
    run = training_run(status=status, generation=generation, annotations=annotations, **spec)
    made = {"createdAt": created} if created is not None else {}
    current = {"snapshot": snapshot(data, versioned=versioned, **made)} if data is not None else {}
    inputs = inputs_of(run, {"mortgage": dataset(status=current)}, references=references)
    return Observation(run, settings(), NOW, inputs, jobs=jobs, versions=versions, **seen or {})


def inputs_of(
    run: TrainingRun, datasets: Datasets, *, references: References | None = None, now: datetime = NOW
) -> ResolvedInputs | MissingInput:
    """Resolve a run's inputs as the controller's `observe` does."""
    current = current_inputs(run, datasets, now)
    if isinstance(current, NewInputsNeeded):
        return resolve_inputs(run, datasets, references or References(), current.scheduled_at, now)
    return current


def resolved_inputs(data: str = "a", **spec: Any) -> ResolvedInputs:
    """Return the inputs of a run on this data."""
    inputs = observe(data=data, **spec).inputs
    assert isinstance(inputs, ResolvedInputs)
    return inputs


def job_name(data: str = "a", attempt: int = 1, **spec: Any) -> str:
    """Return the name of the Job of an attempt. Names themselves are pinned in test_children."""
    return children.job_name(training_run(**spec), resolved_inputs(data, **spec).key, attempt)


def pinned(data: str = "a", outcome: str | None = None, ended: str = ago(minutes=10), **spec: Any) -> dict[str, Any]:
    """Return the status of a run that started an hour ago, and how it ended: with the reason EndedBefore."""
    resolved = resolved_inputs(data, **spec)
    status: dict[str, Any] = {
        "inputKey": resolved.key,
        "inputs": resolved.inputs.wire(),
        "job": job_name(data, **spec),
        "attempts": 1,
        "startedAt": ago(hours=1),
        "cache": {"result": "Miss", "reason": "explained before"},
    }
    if outcome == "Failed":
        last = {"number": 1, "reason": "EndedBefore", "message": "so", "endedAt": ended, "counted": True}
        status |= {"failures": 1, "failedAttempts": [last]}
    if outcome is not None:
        status["outcome"] = {"state": outcome, "reason": "EndedBefore", "message": "so", "finishedAt": ended}
    if outcome == "Succeeded":
        status["artifact"] = {"uri": "s3://store/m/", "digest": digest("d"), "bytes": 9, "image": "x"}
        status["metrics"] = {"a": 0.5}
    return status


def version_of(run: TrainingRun, **spec: Any) -> ModelVersion:
    """Return the ModelVersion of a run that has succeeded."""
    status = TrainingRunStatus.model_validate(pinned(outcome="Succeeded", **spec))
    return ModelVersion.model_validate(children.model_version(run, resolved_inputs(**spec), status))


VERSION = version_of(training_run())


def running(name: str) -> JobState:
    """Return a Job whose trainer runs."""
    return job(name, pod(init=terminated(0), trainer=RUNNING, sidecar=RUNNING))


def complete(name: str) -> JobState:
    """Return a Job that has published MODEL."""
    done = pod("Succeeded", init=terminated(0), trainer=terminated(0), sidecar=terminated(0, MODEL))
    return job(name, done, ended="Complete")


def failed(name: str) -> JobState:
    """Return a Job whose trainer exited with code 1, a minute ago."""
    return job(name, pod("Failed", trainer=terminated(1), sidecar=terminated(0)), ended="Failed")


@dataclass(frozen=True)
class RunCase:
    """One row: its name is the promise, as a sentence of the manual."""

    name: str
    given: Observation
    ready: str
    """Status and reason of Ready, as `False Training`."""
    stalled: bool = False
    applies: list[str] = field(default_factory=list)
    """Kind and name of each child applied, in order."""
    deletes: list[str] = field(default_factory=list)
    """Names of the Jobs deleted."""
    succeeded: str | None = None
    """Status and reason of Succeeded."""
    cache: str | None = None
    """Result and reason, as `Miss: explained before`."""
    requeue_after: timedelta | None = None


def check(case: RunCase) -> None:
    """Assert that the plan is the row's, in all of its fields."""
    decided = plan(case.given)
    assert reason(decided) == case.ready
    assert (condition_of(decided, "Stalled") is not None) == case.stalled
    assert reason(decided, "Succeeded") == case.succeeded
    assert names(decided.apply) == case.applies
    assert deleted(decided) == case.deletes
    assert _cache_of(decided) == case.cache
    assert decided.requeue_after == case.requeue_after


def status_of(decided: Plan) -> TrainingRunStatus:
    """Return the status that a plan writes."""
    assert isinstance(decided.status, TrainingRunStatus)
    return decided.status


def _cache_of(decided: Plan) -> str | None:
    cache = status_of(decided).cache
    return f"{cache.result}: {cache.reason}" if cache is not None else None
