"""Surveys: where the operator does not look itself, a Job looks every interval, and reads what is new. Pure.

A survey is not in the status before it has ended: its Job's name says which look it is, and one that finds nothing new
costs one write, that of `lookedAt`.
"""

from dataclasses import replace

from modelops.api.contract.reports import SnapshotReport
from modelops.api.dataset import Candidate
from modelops.api.durations import parse_duration
from modelops.controllers.dataset import children, ready_condition
from modelops.controllers.dataset.context import SHORTLY, Case
from modelops.controllers.dataset.job_result import current, lost, stays_rejected, verdict
from modelops.controllers.dataset.outcome import Lost, Unchanged, outcome
from modelops.controllers.dataset.schedule import SOON, surveyed
from modelops.machinery.conditions import format_timestamp, stalled, waiting
from modelops.machinery.plan import Plan


def being_surveyed(case: Case) -> Plan | None:
    """A Job looks at the source. What is known holds meanwhile."""
    job = case.seen.survey
    if job is None or job.finished:
        return None
    if case.looked_for_spec:
        shown = ready_condition.held_up(case, job) or ready_condition.between_surveys(case)
    else:
        shown = ready_condition.job_runs(case, job, "Probing", "looks at the data")
    return Plan(status=case.status, conditions=shown)


def has_been_surveyed(case: Case) -> Plan | None:
    """The Job has ended. Once that is in the status the Job goes, and its name is free for no other look."""
    job = case.seen.survey
    if job is None or not job.finished:
        return None
    looked = case.looked()
    match outcome(job):
        case Lost(message):
            return lost(case, job, message)
        case Unchanged(report):
            decision = _unchanged(looked, report)
        case ended:
            decision = verdict(looked, _candidate(looked, ended.report), job, ended)
    return replace(decision, requeue_after=SHORTLY)


def survey_is_due(case: Case) -> Plan | None:
    """A Job is made to look, or it is told what it would lack."""
    if case.seen.due != "Survey":
        return None
    dataset, obstacle = case.seen.dataset, case.seen.obstacle
    if obstacle is not None:
        shown = stalled if obstacle.kind == "Stalled" else waiting
        requeue_after = min(parse_duration(dataset.spec.interval), SOON)
        return Plan(
            status=case.status, conditions=shown(obstacle.reason, obstacle.message), requeue_after=requeue_after
        )
    job = children.survey(dataset.model_copy(update={"status": case.status}), case.seen.settings)
    return Plan(apply=(job,), status=case.status, conditions=ready_condition.between_surveys(case))


def waits_for_survey(case: Case) -> Plan | None:
    """The next survey is not due yet: what the last one found holds."""
    if not surveyed(case.seen.dataset, case.seen.sighting):
        return None
    requeue_after = case.until_next_look(case.status)
    return Plan(status=case.status, conditions=ready_condition.between_surveys(case), requeue_after=requeue_after)


def _unchanged(case: Case, report: SnapshotReport) -> Plan:
    """The source holds what was decided on already: what was rejected, or else the snapshot, whose token was equal."""
    candidate, snapshot = case.candidate, case.snapshot
    if candidate is not None and candidate.state == "Rejected" and candidate.digest == (report.digest or ""):
        return stays_rejected(case, candidate)
    if snapshot is None:
        return Plan(status=case.status, conditions=ready_condition.between_surveys(case))
    # The same data by another way, or written anew and not changed.
    found = {
        "source": case.seen.dataset.spec.source,
        "versioned": report.versioned,
        "newest": report.newest or snapshot.newest,
        "change_token": report.change_token or snapshot.change_token,
    }
    return current(case, snapshot.model_copy(update=found))


def _candidate(case: Case, report: SnapshotReport) -> Candidate:
    """What the Job has seen."""
    return Candidate(
        digest=report.digest,
        objects=report.objects,
        bytes=report.bytes,
        since=format_timestamp(case.seen.now),
        state="Checking",
    )
