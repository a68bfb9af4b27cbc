"""Steps of the plan while a snapshot Job reads a candidate, and when the Job has ended. Pure."""

from modelops.controllers.dataset import ready_condition
from modelops.controllers.dataset.context import Context
from modelops.controllers.dataset.job_result import plan_for, report_lost
from modelops.controllers.dataset.outcome import ReportLost, Unchanged, outcome_of
from modelops.controllers.dataset.schedule import undecided
from modelops.machinery.plan import Plan


def running(context: Context) -> Plan | None:
    """Wait for the Job that reads the candidate. Changes of the source meanwhile are found by the next probe."""
    job, candidate = context.seen.snapshot_job, context.candidate
    if job is None or candidate is None or not undecided(candidate.state) or job.finished:
        return None
    status = context.with_candidate(candidate.model_copy(update={"state": "Checking"}))
    return Plan(status=status, conditions=ready_condition.job_running(context, job, "Checking", "reading the data"))


def finished(context: Context) -> Plan | None:
    """Make the candidate the current snapshot, or say why it is not."""
    job, candidate = context.seen.snapshot_job, context.candidate
    if job is None or candidate is None or not undecided(candidate.state) or not job.finished:
        return None
    match outcome_of(job):
        case ReportLost(message):
            return report_lost(context, job, message)
        case Unchanged():
            return report_lost(context, job, f"Job {job.key.name} reported no change instead of a snapshot")
        case outcome:
            return plan_for(context, candidate, job, outcome)
