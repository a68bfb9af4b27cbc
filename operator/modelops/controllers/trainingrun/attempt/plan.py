"""Plan the attempts of a run without a model: start a Job, follow it, and retry or end the run when it ends. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from modelops.api.contract.reports import ProgressReport
from modelops.api.trainingrun_status import Progress
from modelops.controllers.jobs import JobState
from modelops.controllers.requeue import earliest
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.attempt import gang, retrying
from modelops.controllers.trainingrun.attempt.job_conditions import created_conditions, job_conditions
from modelops.controllers.trainingrun.attempt.outcome import (
    JobFailure,
    JobSuccess,
    ReportLost,
    job_outcome,
    trainer_not_started,
)
from modelops.controllers.trainingrun.attempt.retrying import RetryDecision
from modelops.controllers.trainingrun.attempt.trainer_progress import latest_progress, progress_status
from modelops.controllers.trainingrun.caching import cache_miss
from modelops.controllers.trainingrun.context import SHORTLY, RunContext
from modelops.controllers.trainingrun.finish import finish, new_outcome
from modelops.controllers.trainingrun.reproducible import with_reproducible
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE
from modelops.machinery.conditions import READY, condition, find, format_timestamp, in_progress
from modelops.machinery.plan import Event, Plan
from modelops.machinery.resources import Body


def plan_attempt(context: RunContext) -> Plan:
    """Return the plan for the attempt that is due, by the state of its Job."""
    job = context.job
    if job is None:
        return _without_job(context)
    if not job.finished:
        return _running(context, job)
    return _ended(context, job)


def _without_job(context: RunContext) -> Plan:
    """Start the attempt, or wait for the end of the last one's backoff."""
    attempts = context.status.failed_attempts
    if attempts:
        due = retrying.next_start(attempts, context.seen.run.spec.retries)
        if due > context.seen.now:
            return _backing_off(context, due)
    if context.seen.jobs:
        return _deleting_ended_jobs(context)
    run = context.seen.run
    return Plan(
        apply=(
            *_pinned_checkpoints(context),
            children.job(run, context.resolved, context.seen.settings, context.job_name),
        ),
        status=_with_job(context, context.job_name).status,
        conditions=with_reproducible(context, *created_conditions(run, context.job_name)),
    )


def _backing_off(context: RunContext, due: datetime) -> Plan:
    last = context.status.failed_attempts[-1]
    failed = f"attempt {last.number} failed ({last.reason}: {last.message})"
    message = f"{failed}; attempt {last.number + 1} starts at {format_timestamp(due)}"
    conditions = (*in_progress("Retrying", message), condition("Running", False, "Retrying", message))
    return Plan(
        status=context.status,
        conditions=with_reproducible(context, *conditions),
        requeue_after=max(due - context.seen.now, timedelta()),
    )


def _deleting_ended_jobs(context: RunContext) -> Plan:
    """Delete Jobs that have ended: they count against a quota, and could keep the next one from being created."""
    names = ", ".join(job.key.name for job in context.seen.jobs)
    message = f"deleting Job {names} before the next attempt starts"
    return Plan(
        delete=tuple(job.delete for job in context.seen.jobs),
        status=context.with_status(cache=cache_miss(context)).status,
        conditions=with_reproducible(context, *in_progress("Starting", message)),
        requeue_after=SHORTLY,
    )


def _running(context: RunContext, job: JobState) -> Plan:
    """Show the state of an active Job. It is not applied again: Jobs are immutable, and a newer operator's differ."""
    run = context.seen.run
    end = trainer_not_started(job.pod, context.seen.now) if job.pod is not None else None
    if isinstance(end, JobFailure):
        # The Job is deleted once its end is in the status, and not before.
        return replace(_ended_badly(context, job, end), delete=(), requeue_after=SHORTLY)
    missing = gang.is_gang(run) and gang.service_name(context.job_name) not in context.seen.services
    running = job_conditions(run, job, context.seen.held_up)
    return Plan(
        apply=(
            *_pinned_checkpoints(context),
            *((gang.service(run, context.job_name, job.uid),) if missing else ()),
        ),
        status=_with_job(context, job.key.name).with_status(progress=_progress(context, context.seen.progress)).status,
        conditions=with_reproducible(context, *running.conditions),
        requeue_after=earliest(end, running.requeue_after),
    )


def _pinned_checkpoints(context: RunContext) -> tuple[Body, ...]:
    """Return the ConfigMap by which Pods learn what they may restore.

    A task would not do: a Job that Kueue suspends and resumes creates new Pods from the same template.
    """
    pinned = context.status.checkpoints
    return (children.pinned_checkpoints(context.seen.run, context.resolved, pinned),) if pinned else ()


def _progress(context: RunContext, report: ProgressReport | None) -> Progress | None:
    """Return the trainer's progress. A trial's has the objective's trace too, which early stopping compares."""
    if report is None:
        return context.status.progress
    objective = context.seen.run.metadata.annotations.get(OBJECTIVE)
    return latest_progress(context.status.progress, progress_status(report, context.seen.now, objective))


def _ended(context: RunContext, job: JobState) -> Plan:
    match job_outcome(job):
        case ReportLost(message):
            return Plan(
                delete=(job.delete,),
                status=_with_job(context, job.key.name).status,
                conditions=with_reproducible(context, *in_progress("ReportLost", f"{message}; training again")),
                events=(Event("ReportLost", message, warning=True),),
                requeue_after=SHORTLY,
            )
        case JobFailure() as failure:
            return _ended_badly(context, job, failure)
        case JobSuccess(artifact, metrics, last):
            count = context.attempt
            message = f"trained by Job {job.key.name} in {count} attempt{'s' if count != 1 else ''}"
            progress = _progress(context, last)
            trained = _with_job(context, job.key.name).with_status(
                artifact=artifact, metrics=metrics, progress=progress, checkpoints=[]
            )
            return finish(trained, new_outcome(context, "Succeeded", "Trained", message))


def _ended_badly(context: RunContext, job: JobState, failure: JobFailure) -> Plan:
    """Retry if that may help and is allowed, else end the run. The failed attempt is in the status before a retry."""
    retries = context.seen.run.spec.retries
    pod = job.deciding_pod
    decision = retrying.decide_retry(job, pod, retries)
    counted = decision is not RetryDecision.NOT_COUNTED
    attempt = retrying.failed_attempt(context.attempt, job, pod, failure, counted=counted, now=context.seen.now)
    failures = context.status.failures + (1 if counted else 0)
    attempts = retrying.last_attempts([*context.status.failed_attempts, attempt])
    failed = _with_job(context, job.key.name).with_status(failures=failures, failed_attempts=attempts)
    if not counted or (decision is RetryDecision.COUNTED and failures <= retries.limit):
        retry = _backing_off(failed, retrying.next_start(attempts, retries))
        return replace(retry, events=(Event("AttemptFailed", f"{failure.reason}: {failure.message}", warning=True),))
    return finish(failed, new_outcome(context, "Failed", failure.reason, _final_message(context, job, failure)))


def _final_message(context: RunContext, job: JobState, failure: JobFailure) -> str:
    """Return the failure's message, and for a timeout the last condition: the Job controller has deleted the Pods."""
    run = context.seen.run
    last = find(run.status.conditions, READY)
    if failure.reason != "DeadlineExceeded" or last is None or run.status.job != job.key.name:
        return failure.message
    return f"{failure.message} ({run.spec.timeout}); last condition: {last.reason}: {last.message}"


def _with_job(context: RunContext, job_name: str) -> RunContext:
    return context.with_status(job=job_name, attempts=context.attempt, cache=cache_miss(context))
