"""End a run: its outcome in the status, its ModelVersion, and the deletion of its Jobs after their time. Pure."""

from dataclasses import replace
from typing import Literal

from modelops.api.durations import parse_duration
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun_status import Outcome
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.context import SHORTLY, RunContext
from modelops.controllers.trainingrun.reproducible import with_reproducible
from modelops.machinery.conditions import READY, condition, format_timestamp, parse_timestamp, ready, stalled
from modelops.machinery.plan import Plan


def new_outcome(
    context: RunContext, state: Literal["Succeeded", "Failed", "Stopped"], reason: str, message: str
) -> Outcome:
    """Return the outcome of a run that ends now."""
    return Outcome(state=state, reason=reason, message=message, finished_at=format_timestamp(context.seen.now))


def finish(context: RunContext, outcome: Outcome) -> Plan:
    """Return the plan of a run that has ended: it is not trained again before its inputs or its spec change.

    If it succeeded, `context.status` has the artifact and its metrics.
    """
    ended = context.with_status(outcome=outcome)
    return _with_model(ended, outcome) if outcome.state == "Succeeded" else _without_model(ended, outcome)


def _with_model(context: RunContext, outcome: Outcome) -> Plan:
    """Create the ModelVersion, also again if a person deletes it."""
    succeeded = condition("Succeeded", True, outcome.reason, outcome.message)
    if context.seen.run.spec.output.registration == "Never":
        conditions = (*ready(outcome.reason, outcome.message), succeeded)
        return replace(
            _delete_jobs(context, outcome), status=context.status, conditions=with_reproducible(context, *conditions)
        )
    version = children.model_version(context.seen.run, context.resolved, context.status)
    name = version["metadata"]["name"]
    exists = any(other.metadata.name == name and _has(context, other) for other in context.seen.versions)
    conditions = (*ready(outcome.reason, f"ModelVersion {name}: {outcome.message}"), succeeded)
    return replace(
        _delete_jobs(context, outcome),
        apply=() if exists else (version,),
        status=context.status.model_copy(update={"model_version": name}),
        conditions=with_reproducible(context, *conditions),
    )


def _has(context: RunContext, version: ModelVersion) -> bool:
    """Return whether a ModelVersion has the run's artifact: a run that reused the result has the same version."""
    artifact = context.status.artifact
    return artifact is not None and version.spec.artifact.digest == artifact.digest


def _without_model(context: RunContext, outcome: Outcome) -> Plan:
    """Show a failed run as stalled. A stopped run is not stalled: a person requested the stop."""
    not_ready = stalled(outcome.reason, outcome.message)
    if outcome.state == "Stopped":
        not_ready = (condition(READY, False, outcome.reason, outcome.message),)
    conditions = (*not_ready, condition("Succeeded", False, outcome.reason, outcome.message))
    return replace(
        _delete_jobs(context, outcome), status=context.status, conditions=with_reproducible(context, *conditions)
    )


def _delete_jobs(context: RunContext, outcome: Outcome) -> Plan:
    """Delete Jobs `ttlAfterFinished` after the end, and not before the outcome is written.

    Jobs that are not the run's last one, or that still run, are deleted at once.
    """
    due = parse_timestamp(outcome.finished_at) + parse_duration(context.seen.run.spec.ttl_after_finished)
    expired = context.seen.run.status.outcome == outcome and due <= context.seen.now
    jobs = context.seen.jobs
    deleted = [job for job in jobs if expired or not job.finished or job.key.name != context.status.job]
    return Plan(
        delete=tuple(job.delete for job in deleted),
        requeue_after=max(due - context.seen.now, SHORTLY) if len(deleted) < len(jobs) else None,
    )
