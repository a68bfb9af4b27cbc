"""Plan for the result of a snapshot Job or probe Job. Pure."""

from dataclasses import replace
from datetime import timedelta

from modelops.api.contract.reports import SnapshotReport
from modelops.api.dataset import Candidate, PastSnapshot, Snapshot
from modelops.controllers.dataset import ready_condition
from modelops.controllers.dataset.check_messages import rejections
from modelops.controllers.dataset.context import SHORTLY, Context
from modelops.controllers.dataset.data_conditions import accepted_violations, describe_violations
from modelops.controllers.dataset.outcome import DataRead, ReadFailure, ReadOutcome, SourceChanged, UnusableData
from modelops.controllers.jobs import JobState
from modelops.lineage.digests import short
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Event, Plan

_HISTORY = 10
_EXAMPLES = 10
_EXAMPLE_CHARACTERS = 1024


def plan_for(context: Context, candidate: Candidate, job: JobState, outcome: ReadOutcome) -> Plan:
    """Return the plan for the outcome: a new current snapshot, or a candidate with the reason why it is not current.

    Except where the source changed, the Job is not deleted: its report must be in the status first.
    """
    match outcome:
        case DataRead(report):
            return _evaluate(context, candidate, report)
        case UnusableData(reason, message):
            return reject(context, candidate, reason, message)
        case SourceChanged(message, report):
            return _settle_again(context, candidate, job, message, report)
        case ReadFailure(reason, message):
            return _failed(context, candidate, reason, message)


def report_lost(context: Context, job: JobState, message: str) -> Plan:
    """Delete a Job whose result cannot be known, so that another Job reads the data."""
    return Plan(
        delete=(job.delete,),
        status=context.status,
        conditions=ready_condition.progressing(context, "ReportLost", f"{message}; checking the data again"),
        events=(Event("ReportLost", message, warning=True),),
        requeue_after=SHORTLY,
    )


def reject(
    context: Context, candidate: Candidate, reason: str, message: str, report: SnapshotReport | None = None
) -> Plan:
    """Reject a candidate. An Event is recorded only if the status does not say the same already."""
    report = report or SnapshotReport()
    rejected = candidate.model_copy(
        update={
            "state": "Rejected",
            "checked_with": context.checks,
            "ended_at": format_timestamp(context.seen.now),
            "reason": reason,
            "message": message,
            "violations": report.violations.total if report.violations else None,
            "examples": _examples(report),
            "checks": report.checks,
        }
    )
    if context.candidate is not None and _differ_only_in_time(context.candidate, rejected):
        return still_rejected(context, context.candidate)
    event = Event("CandidateRejected", f"{reason}: {message}", warning=True)
    return replace(still_rejected(context, rejected), events=(event,))


def still_rejected(context: Context, rejected: Candidate) -> Plan:
    """Keep a candidate rejected until the data or the checks change."""
    status = context.with_candidate(rejected)
    return Plan(
        status=status,
        conditions=ready_condition.candidate_rejected(status, rejected),
        requeue_after=context.until_next_probe(status),
    )


def snapshot_current(context: Context, snapshot: Snapshot) -> Plan:
    """Make the snapshot the current one, without a candidate beside it."""
    status = context.status.model_copy(update={"snapshot": snapshot, "candidate": None})
    return Plan(
        status=status,
        conditions=ready_condition.snapshot_current(snapshot),
        requeue_after=context.until_next_probe(status),
    )


def _evaluate(context: Context, candidate: Candidate, report: SnapshotReport) -> Plan:
    """Accept or reject data that was read, by its violations of the schema and its checks."""
    spec, violations = context.seen.dataset.spec, report.violations
    if report.profile is None:
        first = f": {violations.examples[0]}" if violations is not None and violations.examples else ""
        message = f"the data cannot be read as {spec.format.type}{first}"
        return reject(context, candidate, "Unreadable", message, report)
    failed = rejections(spec.checks, report.checks)
    if violations is not None and (spec.schema_ is None or spec.schema_.on_violation == "Reject"):
        message = "; ".join([describe_violations(violations.total, violations.examples), *failed])
        return reject(context, candidate, "SchemaViolated", message, report)
    if failed:
        return reject(context, candidate, "CheckFailed", "; ".join(failed), report)
    return _take(context, report)


def _take(context: Context, report: SnapshotReport) -> Plan:
    assert report.digest is not None
    assert report.manifest is not None
    assert report.profile is not None
    created_at = format_timestamp(context.seen.now)
    snapshot = Snapshot(
        digest=report.digest,
        short_digest=short(report.digest, 12),
        objects=report.objects,
        bytes=report.bytes,
        rows=report.rows,
        manifest=report.manifest,
        profile=report.profile,
        created_at=created_at,
        source=context.seen.dataset.spec.source,
        versioned=report.versioned,
        last_modified=report.newest,
        change_token=report.change_token,
        checked_with=context.checks,
        object_versions=report.object_versions,
        violations=report.violations.total if report.violations else 0,
        examples=_examples(report),
        checks=report.checks,
    )
    past = PastSnapshot(digest=snapshot.digest, manifest=snapshot.manifest, rows=snapshot.rows, created_at=created_at)
    older = context.status.history
    if older and older[0].digest == past.digest:
        older = older[1:]
    history = context.status.model_copy(update={"history": [past, *older][:_HISTORY]})
    message = f"{snapshot.digest}: {ready_condition.objects(snapshot.objects)}, {snapshot.rows} rows"
    events = [Event("SnapshotTaken", message)]
    accepted = accepted_violations(context, snapshot)
    if accepted is not None:
        events.append(Event("SnapshotWarned", f"{snapshot.digest}: {accepted[1]}", warning=True))
    return replace(snapshot_current(replace(context, status=history), snapshot), events=tuple(events))


def _failed(context: Context, candidate: Candidate, reason: str, message: str) -> Plan:
    failed = candidate.model_copy(
        update={
            "state": "Failed",
            "checked_with": context.checks,
            "ended_at": format_timestamp(context.seen.now),
            "reason": reason,
            "message": message,
        }
    )
    status = context.with_candidate(failed)
    return Plan(
        status=status,
        conditions=ready_condition.candidate_failed(failed),
        requeue_after=context.until_next_probe(status),
    )


def _settle_again(context: Context, candidate: Candidate, job: JobState, message: str, report: SnapshotReport) -> Plan:
    """Start to settle again, from the next second on, so that no probe that has begun already ends the settling."""
    message = f"{message}; waiting until the data stops changing"
    again = candidate.model_copy(
        update={
            "state": "Settling",
            "digest": report.digest or candidate.digest,
            "since": format_timestamp(context.seen.now + timedelta(seconds=1)),
            "checked_with": None,
            "ended_at": None,
            "reason": "SourceChanged",
            "message": message,
        }
    )
    return Plan(
        delete=(job.delete,),
        status=context.with_candidate(again),
        conditions=ready_condition.progressing(context, "SourceChanged", message),
        requeue_after=SHORTLY,
    )


def _differ_only_in_time(before: Candidate, after: Candidate) -> bool:
    times = {"since": "", "ended_at": ""}
    return before.model_copy(update=times) == after.model_copy(update=times)


def _examples(report: SnapshotReport) -> list[str]:
    examples = report.violations.examples if report.violations is not None else []
    return [example[:_EXAMPLE_CHARACTERS] for example in examples[:_EXAMPLES]]
