"""Derive what the steps of the plan share: the attempt that is due, and the status as far as it is known. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from modelops.api.checkpoints import newest_checkpoints
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.annotations import retry_request, stop_request
from modelops.controllers.trainingrun.attempt.outcome import saved_checkpoints
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.machinery.conditions import format_timestamp

SHORTLY = timedelta(seconds=2)
"""Requeue of a plan that continues as soon as its own writes are done."""


@dataclass(frozen=True)
class RunContext:
    """Observation of a run with resolved inputs, and what follows from it for every step."""

    seen: Observation
    resolved: ResolvedInputs
    status: TrainingRunStatus
    """Status for these inputs, as far as it is known. Requests by annotation are in it as handled."""
    job_name: str
    """Job of the attempt that is due. If the run has failed, Job of its last attempt."""
    attempt: int
    """Number of that attempt, from 1."""
    stop: str | None = None
    """Reason of a request to stop that is not handled yet."""

    @property
    def job(self) -> JobState | None:
        """The Job of the attempt, if it exists."""
        return next((job for job in self.seen.jobs if job.key.name == self.job_name), None)

    def with_status(self, **changes: Any) -> "RunContext":
        """Return the context with changed fields of the status."""
        return replace(self, status=self.status.model_copy(update=changes))


def run_context(seen: Observation, resolved: ResolvedInputs) -> RunContext:
    """Return the context of a run. Its status begins empty with a new key, but for the name of the last version."""
    run, old = seen.run, seen.run.status
    retry, stop = retry_request(run), stop_request(run)
    status = TrainingRunStatus(
        input_key=resolved.key,
        inputs=resolved.inputs,
        model_version=old.model_version,
        scheduled_at=resolved.scheduled_at,
        started_at=format_timestamp(seen.now),
        last_handled_retry=retry.value,
        last_handled_stop=stop.value,
        sweep=old.sweep if old.input_key == resolved.key else None,
    )
    job_name = children.job_name(run, resolved.key)
    context = RunContext(seen, resolved, status, job_name, 1, stop.value if stop.new else None)
    return _with_checkpoints(_continued(context, retried=retry.new) if old.input_key == resolved.key else context)


def _with_checkpoints(context: RunContext) -> RunContext:
    """Add what the sidecars of the attempt have reported to the checkpoints of the same inputs that are known.

    After a success there are none: the sidecar has deleted them.
    """
    outcome, old, job = context.status.outcome, context.seen.run.status, context.job
    if outcome is not None and outcome.state == "Succeeded":
        return context
    known = old.checkpoints if old.input_key == context.resolved.key else []
    polled = context.seen.progress.checkpoints if job is not None and context.seen.progress is not None else []
    reported = saved_checkpoints(job) if job is not None else []
    return context.with_status(checkpoints=newest_checkpoints(known, polled, reported))


def _continued(context: RunContext, *, retried: bool) -> RunContext:
    """Keep what the status says of the same key. Attempts and outcome count unless another Job would run now."""
    old, run = context.seen.run.status, context.seen.run
    kept = {"started_at": old.started_at or context.status.started_at, "progress": old.progress}
    kept |= {name: getattr(old, name) for name in ("cache", "job", "attempts", "failures", "failed_attempts")}
    same = context.with_status(**kept)
    if old.outcome is not None and old.outcome.state == "Succeeded":
        return same.with_status(outcome=old.outcome, artifact=old.artifact, metrics=old.metrics)
    if run.spec.sweep is not None:
        # The attempts are those of its trials.
        return same.with_status(outcome=old.outcome) if outcome_holds(run, context.resolved) else same
    last = old.failed_attempts[-1].number if old.failed_attempts else 0
    names = {number: children.job_name(run, context.resolved.key, number) for number in (last, last + 1)}
    if old.job is not None and old.job not in names.values():
        # A spec that runs another Job, for instance with more memory, starts with the first attempt again.
        return context
    if old.outcome is not None and not retried:
        return replace(same.with_status(outcome=old.outcome), job_name=names[last], attempt=last)
    due = replace(same, job_name=names[last + 1], attempt=last + 1)
    return due.with_status(failures=0) if old.outcome is not None else due
