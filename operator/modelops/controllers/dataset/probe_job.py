"""Steps of the plan where a Job probes the source, and reads what it has not seen before. Pure.

A probe Job shows in the status only after it has ended: the Job's name says which probe it is, so that a probe which
finds nothing new costs one write of the status, that of `probedAt`.
"""

from dataclasses import replace

from modelops.api.contract.reports import SnapshotReport
from modelops.api.dataset import Candidate
from modelops.api.durations import parse_duration
from modelops.controllers.dataset import children, ready_condition
from modelops.controllers.dataset.context import SHORTLY, Context
from modelops.controllers.dataset.job_result import plan_for, report_lost, snapshot_current, still_rejected
from modelops.controllers.dataset.outcome import ReportLost, Unchanged, outcome_of
from modelops.controllers.dataset.schedule import SOON, probed_by_job
from modelops.machinery.conditions import format_timestamp, stalled, waiting
from modelops.machinery.plan import Plan


def running(context: Context) -> Plan | None:
    """Wait for the probe Job. If a probe with this spec has ended before, its conditions stay."""
    job = context.seen.probe_job
    if job is None or job.finished:
        return None
    if context.probed_for_spec:
        conditions = ready_condition.held_up(context, job) or ready_condition.between_probe_jobs(context)
    else:
        conditions = ready_condition.job_running(context, job, "Probing", "probing the source")
    return Plan(status=context.status, conditions=conditions)


def finished(context: Context) -> Plan | None:
    """Write the Job's result to the status. The next reconcile deletes the Job, whose name is not used again."""
    job = context.seen.probe_job
    if job is None or not job.finished:
        return None
    probed = context.with_probe_recorded()
    match outcome_of(job):
        case ReportLost(message):
            return report_lost(context, job, message)
        case Unchanged(report):
            decision = _unchanged(probed, report)
        case outcome:
            decision = plan_for(probed, _candidate(probed, outcome.report), job, outcome)
    return replace(decision, requeue_after=SHORTLY)


def due(context: Context) -> Plan | None:
    """Create the probe Job, or show which prerequisite it lacks."""
    if context.seen.due != "Job":
        return None
    dataset, obstacle = context.seen.dataset, context.seen.obstacle
    if obstacle is not None:
        show = stalled if obstacle.kind == "Stalled" else waiting
        requeue_after = min(parse_duration(dataset.spec.interval), SOON)
        return Plan(
            status=context.status, conditions=show(obstacle.reason, obstacle.message), requeue_after=requeue_after
        )
    job = children.probe_job(dataset.model_copy(update={"status": context.status}), context.seen.settings)
    return Plan(
        apply=(job,),
        jobs_recorded=False,
        status=context.status,
        conditions=ready_condition.between_probe_jobs(context),
    )


def not_due(context: Context) -> Plan | None:
    """Keep the result of the last probe Job until the next one is due."""
    if not probed_by_job(context.seen.dataset, context.seen.probe_result):
        return None
    requeue_after = context.until_next_probe(context.status)
    return Plan(
        status=context.status, conditions=ready_condition.between_probe_jobs(context), requeue_after=requeue_after
    )


def _unchanged(context: Context, report: SnapshotReport) -> Plan:
    """Keep what was decided before: the rejected candidate if the digest is equal, else the current snapshot."""
    candidate, snapshot = context.candidate, context.snapshot
    if candidate is not None and candidate.state == "Rejected" and candidate.digest == (report.digest or ""):
        return still_rejected(context, candidate)
    if snapshot is None:
        return Plan(status=context.status, conditions=ready_condition.between_probe_jobs(context))
    # The same content may have another address in the spec, or files with new modification times.
    update = {
        "source": context.seen.dataset.spec.source,
        "versioned": report.versioned,
        "last_modified": report.newest or snapshot.last_modified,
        "change_token": report.change_token or snapshot.change_token,
    }
    return snapshot_current(context, snapshot.model_copy(update=update))


def _candidate(context: Context, report: SnapshotReport) -> Candidate:
    return Candidate(
        digest=report.digest,
        objects=report.objects,
        bytes=report.bytes,
        since=format_timestamp(context.seen.now),
        state="Checking",
    )
