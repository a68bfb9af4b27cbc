"""What a TrainingRun needs: a ModelVersion for the current inputs, by the cheapest way that is honest."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from modelops.api.durations import parse_duration
from modelops.api.trainingrun import CacheMode
from modelops.api.trainingrun_status import CacheResult, Outcome, Progress, RunArtifact, TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.attempt import gang, retrying
from modelops.controllers.trainingrun.attempt.job_conditions import created, progress
from modelops.controllers.trainingrun.attempt.outcome import Failure, Lost, Success, never_started, outcome
from modelops.controllers.trainingrun.attempt.retrying import Verdict
from modelops.controllers.trainingrun.attempt.trainer_progress import newer, progress_status
from modelops.controllers.trainingrun.caching import CACHE_HIT, pinned_image, reusable
from modelops.controllers.trainingrun.context import Case, case_of
from modelops.controllers.trainingrun.inputs.resolution import Missing, wanted
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.reproducible import reproducible
from modelops.controllers.trainingrun.sweep.garbage_collection import tidied
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE
from modelops.controllers.trainingrun.sweep.plan import Sweeping
from modelops.controllers.trainingrun.sweep.plan import plan as plan_sweep
from modelops.controllers.trainingrun.sweep.result import taken_over
from modelops.lineage.input_key import difference
from modelops.machinery.conditions import (
    READY,
    DesiredCondition,
    condition,
    find,
    format_timestamp,
    in_progress,
    parse_timestamp,
    ready,
    stalled,
    waiting,
)
from modelops.machinery.plan import Event, Plan, first_plan

_REFERENCE_AGAIN = timedelta(seconds=30)
"""ConfigMaps and Secrets are not watched: reading all of them for the few that matter is no least privilege."""
_SHORTLY = timedelta(seconds=2)


def plan(seen: Observation, sweeping: Sweeping | None = None) -> Plan:
    """Decide what a TrainingRun needs now. Pure. Raises StalledError."""
    taken = wanted(seen)
    if isinstance(taken, Missing):
        return _waiting(seen, taken)
    case = case_of(seen, taken, sweeping)
    steps = (
        _succeeded,
        _failed,
        _stopped,
        _other_jobs_first,
        _cached,
        _searching,
        _backing_off,
        _to_start,
        _running,
        _ended,
    )
    decision = first_plan(case, steps)
    if sweeping is not None:
        decision = tidied(decision, sweeping)
    return replace(decision, requeue_after=_sooner(decision.requeue_after, taken.requeue_after))


def _waiting(seen: Observation, missing: Missing) -> Plan:
    """An input is not there: its arrival wakes the run."""
    return Plan(
        status=seen.run.status,
        conditions=waiting(missing.reason, missing.message),
        requeue_after=_REFERENCE_AGAIN if missing.reason == "ReferenceNotFound" else None,
    )


def _succeeded(case: Case) -> Plan | None:
    """The model exists. Its ModelVersion is made again should somebody delete it."""
    result = case.status.outcome
    if result is None or result.state != "Succeeded":
        return None
    tidied = _tidied(case, result)
    conditions = condition("Succeeded", True, result.reason, result.message)
    if case.seen.run.spec.output.registration == "Never":
        return replace(
            tidied, status=case.status, conditions=_conditions(case, *ready(result.reason, result.message), conditions)
        )
    version = children.model_version(case.seen.run, case.taken, case.status)
    status = case.status.model_copy(update={"model_version": version["metadata"]["name"]})
    there = any(one.metadata.name == status.model_version for one in case.seen.versions)
    message = f"ModelVersion {status.model_version}: {result.message}"
    return replace(
        tidied,
        apply=() if there else (version,),
        status=status,
        conditions=_conditions(case, *ready(result.reason, message), conditions),
    )


def _failed(case: Case) -> Plan | None:
    """It failed for these inputs, and will not be tried again before something changes."""
    result = case.status.outcome
    if result is None:
        return None
    ended = condition("Succeeded", False, result.reason, result.message)
    # What was stopped is as somebody wanted it; what failed is not.
    shown = stalled(result.reason, result.message)
    if result.state == "Stopped":
        shown = (condition(READY, False, result.reason, result.message),)
    return replace(_tidied(case, result), status=case.status, conditions=_conditions(case, *shown, ended))


def _tidied(case: Case, result: Outcome) -> Plan:
    """Jobs of a run that has ended go once nobody looks at them any more; the outcome alone keeps it from rerunning."""
    due = parse_timestamp(result.finished_at) + parse_duration(case.seen.run.spec.ttl_after_finished)
    written = case.seen.run.status.outcome == result
    over = written and due <= case.seen.now
    going = [job for job in case.seen.jobs if over or not job.finished or job.key.name != case.status.job]
    kept = len(going) < len(case.seen.jobs)
    return Plan(
        delete=tuple(job.delete for job in going), requeue_after=max(due - case.seen.now, _SHORTLY) if kept else None
    )


def _stopped(case: Case) -> Plan | None:
    """Somebody asked for the end of a run that is under way."""
    if case.stop is None:
        return None
    result = _outcome(case, "Stopped", "Stopped", f"stopped: {case.stop}")
    if case.seen.run.spec.sweep is not None:
        return _failed(replace(case, status=case.status.model_copy(update={"outcome": result})))
    halted = retrying.halted_attempt(case.attempt, case.job, result.message, case.seen.now)
    stopped = case.status.model_copy(
        update={
            "job": case.job_name,
            "outcome": result,
            "failed_attempts": retrying.kept([*case.status.failed_attempts, halted]),
        }
    )
    return _failed(replace(case, status=stopped))


def _other_jobs_first(case: Case) -> Plan | None:
    """A Job for other inputs is of no use any more: it goes before the next one starts."""
    others = [job for job in case.seen.jobs if job.key.name != case.job_name and not job.finished]
    if not others:
        return None
    names = ", ".join(job.key.name for job in others)
    message = f"the inputs have changed: Job {names} is stopped"
    return Plan(
        delete=tuple(job.delete for job in others),
        # What changed is told now: with the new inputs in the status there is nothing to compare them with.
        status=case.status.model_copy(update={"cache": _miss(case)}),
        conditions=_conditions(case, *in_progress("Superseded", message)),
        events=(Event("Superseded", message),),
        requeue_after=_SHORTLY,
    )


def _cached(case: Case) -> Plan | None:
    """Another run of the namespace has made this model already."""
    result = reusable(case.seen, case.taken) if case.job is None else None
    if result is None:
        return None
    message = f"taken from {result.source}, nothing was trained"
    sweep = case.seen.run.spec.sweep
    hit = case.status.model_copy(
        update={
            "cache": CacheResult(result="Hit", reason=f"{result.source} has the same inputs"),
            "outcome": _outcome(case, "Succeeded", CACHE_HIT, message),
            "artifact": result.artifact,
            "metrics": result.metrics,
            "sweep": taken_over(sweep, result.made_by, result.parameters, result.metrics) if sweep else None,
        }
    )
    return _succeeded(replace(case, status=hit))


def _searching(case: Case) -> Plan | None:
    """A sweep trains by its trials. What follows from how it ended is as for every run."""
    if case.sweeping is None or case.seen.run.spec.sweep is None:
        return None
    decision = plan_sweep(case.sweeping, case.status.model_copy(update={"cache": _miss(case)}))
    assert isinstance(decision.status, TrainingRunStatus)
    if decision.status.outcome is None:
        return replace(decision, conditions=_conditions(case, *decision.conditions))
    ended = replace(case, status=decision.status)
    return _succeeded(ended) or _failed(ended)


def _backing_off(case: Case) -> Plan | None:
    """The last attempt failed, and the next one is not due yet."""
    attempts = case.status.failed_attempts
    if case.job is not None or not attempts:
        return None
    due = retrying.next_start(attempts, case.seen.run.spec.retries)
    return _retrying(case, due) if due > case.seen.now else None


def _retrying(case: Case, due: datetime) -> Plan:
    last = case.status.failed_attempts[-1]
    message = (
        f"attempt {last.number} failed ({last.reason}: {last.message}); the next one starts at {format_timestamp(due)}"
    )
    shown = (*in_progress("Retrying", message), condition("Running", False, "Retrying", message))
    return Plan(
        status=case.status, conditions=_conditions(case, *shown), requeue_after=max(due - case.seen.now, timedelta())
    )


def _to_start(case: Case) -> Plan | None:
    """No model, no Job: train."""
    if case.job is not None:
        return None
    status = case.status.model_copy(
        update={
            "job": case.job_name,
            "attempts": case.attempt,
            "cache": _miss(case),
        }
    )
    if case.seen.jobs:
        # A Job that has ended still counts against a quota, and would keep the next one from being made.
        message = f"Job {', '.join(job.key.name for job in case.seen.jobs)} goes before the next one starts"
        return Plan(
            delete=tuple(job.delete for job in case.seen.jobs),
            status=case.status.model_copy(update={"cache": _miss(case)}),
            conditions=_conditions(case, *in_progress("Starting", message)),
            requeue_after=_SHORTLY,
        )
    return Plan(
        apply=(children.job(case.seen.run, case.taken, case.seen.settings, case.job_name),),
        status=status,
        conditions=_conditions(case, *created(case.seen.run, case.job_name)),
    )


def _running(case: Case) -> Plan | None:
    """The Job runs: tell how far it is. It is not applied again: Jobs cannot change, and a newer operator's differ."""
    job = case.job
    if job is None or job.finished:
        return None
    end = never_started(job.pod, case.seen.now) if job.pod is not None else None
    if isinstance(end, Failure):
        # The Job goes once its end is in the status, and not before.
        return replace(_ended_badly(case, job, end), delete=(), requeue_after=_SHORTLY)
    status = _started(case, job).model_copy(update={"progress": _told(case)})
    missing = gang.is_gang(case.seen.run) and gang.service_name(case.job_name) not in case.seen.services
    shown = progress(case.seen.run, job, case.seen.held_up)
    return Plan(
        apply=(gang.service(case.seen.run, case.job_name, job.uid),) if missing else (),
        status=status,
        conditions=_conditions(case, *shown.conditions),
        requeue_after=_sooner(end, shown.requeue_after),
    )


def _told(case: Case) -> Progress | None:
    """How far the trainer is. Of a trial of a sweep the objective's trace as well, which others are judged by."""
    if case.seen.progress is None:
        return case.status.progress
    objective = case.seen.run.metadata.annotations.get(OBJECTIVE)
    return newer(case.status.progress, progress_status(case.seen.progress, case.seen.now, objective))


def _ended(case: Case) -> Plan:
    """The Job has ended: a model, another attempt, or a reason."""
    job = case.job
    assert job is not None, "the earlier steps answer where there is no Job"
    match outcome(job):
        case Lost(message):
            return Plan(
                delete=(job.delete,),
                status=_started(case, job),
                conditions=_conditions(case, *in_progress("ReportLost", f"{message}: it is trained again")),
                events=(Event("ReportLost", message, warning=True),),
                requeue_after=_SHORTLY,
            )
        case Failure() as failure:
            return _ended_badly(case, job, failure)
        case Success(report, image_id):
            assert report.artifact is not None
            artifact = RunArtifact(
                uri=report.artifact.uri,
                digest=report.artifact.digest,
                bytes=report.artifact.bytes,
                image=image_id,
                packages=report.packages,
                history=report.history,
            )
            message = f"trained by Job {job.key.name} in {case.attempt} attempt{'s' if case.attempt != 1 else ''}"
            update = {
                "outcome": _outcome(case, "Succeeded", "Trained", message),
                "artifact": artifact,
                "metrics": report.metrics,
            }
            done = _succeeded(replace(case, status=_started(case, job).model_copy(update=update)))
            assert done is not None
            return done


def _ended_badly(case: Case, job: JobState, failure: Failure) -> Plan:
    """Another attempt where it can help and is allowed. This one is in the status before that one starts."""
    retries = case.seen.run.spec.retries
    pod = job.deciding_pod
    decided = retrying.verdict(job, pod, retries)
    counted = decided is not Verdict.FREE
    ended = retrying.failed_attempt(case.attempt, job, pod, failure, counted=counted, now=case.seen.now)
    failures = case.status.failures + (1 if counted else 0)
    status = _started(case, job).model_copy(
        update={"failures": failures, "failed_attempts": retrying.kept([*case.status.failed_attempts, ended])}
    )
    if decided is Verdict.FREE or (decided is Verdict.COUNTED and failures <= retries.limit):
        again = _retrying(replace(case, status=status), retrying.next_start(status.failed_attempts, retries))
        return replace(again, events=(Event("AttemptFailed", f"{failure.reason}: {failure.message}", warning=True),))
    message = failure.message
    last = find(case.seen.run.status.conditions, READY)
    if failure.reason == "DeadlineExceeded" and last is not None and case.seen.run.status.job == job.key.name:
        # The Job controller has deleted the Pods: what was seen last is all that is left to tell why.
        message = f"{message} ({case.seen.run.spec.timeout}); at last: {last.reason}: {last.message}"
    status = status.model_copy(update={"outcome": _outcome(case, "Failed", failure.reason, message)})
    done = _failed(replace(case, status=status))
    assert done is not None
    return done


def _outcome(case: Case, state: Literal["Succeeded", "Failed", "Stopped"], reason: str, message: str) -> Outcome:
    return Outcome(state=state, reason=reason, message=message, finished_at=format_timestamp(case.seen.now))


def _started(case: Case, job: JobState) -> TrainingRunStatus:
    """The status once there is a Job."""
    return case.status.model_copy(
        update={
            "job": job.key.name,
            "attempts": case.attempt,
            "cache": _miss(case),
        }
    )


def _conditions(case: Case, *conditions: DesiredCondition) -> tuple[DesiredCondition, ...]:
    return *conditions, reproducible(case.seen.run, case.taken.inputs)


def _miss(case: Case) -> CacheResult:
    """What is known of it already, or why there is nothing to take."""
    return case.status.cache or CacheResult(result="Miss", reason=_why_missed(case))


def _why_missed(case: Case) -> str:
    before = case.seen.run.status.inputs
    if before is not None and case.seen.run.status.input_key != case.taken.key:
        return difference(before.components, case.taken.inputs.components)
    if case.seen.run.spec.cache.mode is CacheMode.IGNORE:
        return "cache.mode is Ignore"
    if not pinned_image(case.seen.run):
        return "the image is a mutable tag, so no other run's result is taken"
    ttl = case.seen.run.spec.cache.ttl
    if ttl is not None and (case.seen.versions or case.seen.siblings):
        return f"what was made of these inputs is older than cache.ttl ({ttl})"
    return "nothing in this namespace was made of these inputs"


def _sooner(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return min((length for length in (one, other) if length is not None), default=None)
