"""What follows from the end of a Job that has read the data. Pure."""

from dataclasses import replace
from datetime import timedelta

from modelops.api.contract.reports import SnapshotReport
from modelops.api.dataset import Candidate, PastSnapshot, Snapshot
from modelops.controllers.dataset import ready_condition
from modelops.controllers.dataset.check_messages import rejecting
from modelops.controllers.dataset.context import SHORTLY, Case
from modelops.controllers.dataset.data_conditions import faults, violations
from modelops.controllers.dataset.outcome import Ended, Failure, Moved, Taken, Unusable
from modelops.controllers.jobs import JobState
from modelops.machinery.conditions import format_timestamp
from modelops.machinery.plan import Event, Plan

_HISTORY = 10
_EXAMPLES = 10
_EXAMPLE_CHARACTERS = 1024


def verdict(case: Case, candidate: Candidate, job: JobState, ended: Ended) -> Plan:
    """A snapshot, or a reason why there is none. The report is kept in the status before its Job may go."""
    match ended:
        case Taken(report):
            return _read(case, candidate, report)
        case Unusable(reason, message):
            return reject(case, candidate, reason, message)
        case Moved(message, report):
            return _moved(case, candidate, job, message, report)
        case Failure(reason, message):
            return _failed(case, candidate, reason, message)


def lost(case: Case, job: JobState, message: str) -> Plan:
    """Nobody knows what the Job has found: another one reads again."""
    return Plan(
        delete=(job.delete,),
        status=case.status,
        conditions=ready_condition.working(case, "ReportLost", f"{message}: the data is checked again"),
        events=(Event("ReportLost", message, warning=True),),
        requeue_after=SHORTLY,
    )


def reject(case: Case, candidate: Candidate, reason: str, message: str, report: SnapshotReport | None = None) -> Plan:
    """The data does not become current. The same data that is rejected for the same again is no news."""
    report = report or SnapshotReport()
    rejected = candidate.model_copy(
        update={
            "state": "Rejected",
            "checked_with": case.checks,
            "ended_at": format_timestamp(case.seen.now),
            "reason": reason,
            "message": message,
            "violations": report.violations.total if report.violations else None,
            "examples": _examples(report),
            "checks": report.checks,
        }
    )
    if case.candidate is not None and _same(case.candidate, rejected):
        return stays_rejected(case, case.candidate)
    event = Event("CandidateRejected", f"{reason}: {message}", warning=True)
    return replace(stays_rejected(case, rejected), events=(event,))


def stays_rejected(case: Case, rejected: Candidate) -> Plan:
    """What was rejected stays so until the data or the checks change."""
    status = case.with_candidate(rejected)
    return Plan(
        status=status, conditions=ready_condition.rejected(status, rejected), requeue_after=case.until_next_look(status)
    )


def current(case: Case, snapshot: Snapshot) -> Plan:
    """The snapshot is the newest data."""
    status = case.status.model_copy(update={"snapshot": snapshot, "candidate": None})
    return Plan(status=status, conditions=ready_condition.current(snapshot), requeue_after=case.until_next_look(status))


def _read(case: Case, candidate: Candidate, report: SnapshotReport) -> Plan:
    """The data has been read, and schema and checks have been held against it."""
    spec, bad = case.seen.dataset.spec, report.violations
    if report.profile is None:
        first = f": {bad.examples[0]}" if bad is not None and bad.examples else ""
        message = f"the data cannot be read as {spec.format.type}{first}"
        return reject(case, candidate, "Unreadable", message, report)
    failed = rejecting(spec.checks, report.checks)
    if bad is not None and (spec.schema_ is None or spec.schema_.on_violation == "Reject"):
        message = "; ".join([violations(bad.total, bad.examples), *failed])
        return reject(case, candidate, "SchemaViolated", message, report)
    if failed:
        return reject(case, candidate, "CheckFailed", "; ".join(failed), report)
    return _take(case, report)


def _take(case: Case, report: SnapshotReport) -> Plan:
    assert report.digest is not None
    assert report.manifest is not None
    assert report.profile is not None
    taken_at = format_timestamp(case.seen.now)
    snapshot = Snapshot(
        digest=report.digest,
        objects=report.objects,
        bytes=report.bytes,
        rows=report.rows,
        manifest=report.manifest,
        profile=report.profile,
        taken_at=taken_at,
        source=case.seen.dataset.spec.source,
        versioned=report.versioned,
        newest=report.newest,
        change_token=report.change_token,
        checked_with=case.checks,
        object_versions=report.object_versions,
        violations=report.violations.total if report.violations else 0,
        examples=_examples(report),
        checks=report.checks,
    )
    past = PastSnapshot(digest=snapshot.digest, manifest=snapshot.manifest, rows=snapshot.rows, taken_at=taken_at)
    older = case.status.history
    if older and older[0].digest == past.digest:
        older = older[1:]
    history = case.status.model_copy(update={"history": [past, *older][:_HISTORY]})
    message = f"{snapshot.digest}: {ready_condition.objects(snapshot.objects)}, {snapshot.rows} rows"
    events = [Event("SnapshotTaken", message)]
    warned = faults(case, snapshot)
    if warned is not None:
        events.append(Event("SnapshotWarned", f"{snapshot.digest}: {warned[1]}", warning=True))
    return replace(current(replace(case, status=history), snapshot), events=tuple(events))


def _failed(case: Case, candidate: Candidate, reason: str, message: str) -> Plan:
    failed = candidate.model_copy(
        update={
            "state": "Failed",
            "checked_with": case.checks,
            "ended_at": format_timestamp(case.seen.now),
            "reason": reason,
            "message": message,
        }
    )
    status = case.with_candidate(failed)
    return Plan(status=status, conditions=ready_condition.failed(failed), requeue_after=case.until_next_look(status))


def _moved(case: Case, candidate: Candidate, job: JobState, message: str, report: SnapshotReport) -> Plan:
    """The change starts anew. In the next second, so that no look that has begun already can settle it."""
    message = f"{message}: it must hold still first"
    again = candidate.model_copy(
        update={
            "state": "Settling",
            "digest": report.digest or candidate.digest,
            "since": format_timestamp(case.seen.now + timedelta(seconds=1)),
            "checked_with": None,
            "ended_at": None,
            "reason": "SourceChanged",
            "message": message,
        }
    )
    return Plan(
        delete=(job.delete,),
        status=case.with_candidate(again),
        conditions=ready_condition.working(case, "SourceChanged", message),
        requeue_after=SHORTLY,
    )


def _same(before: Candidate, after: Candidate) -> bool:
    when = {"since": "", "ended_at": ""}
    return before.model_copy(update=when) == after.model_copy(update=when)


def _examples(report: SnapshotReport) -> list[str]:
    found = report.violations.examples if report.violations is not None else []
    return [one[:_EXAMPLE_CHARACTERS] for one in found[:_EXAMPLES]]
