"""The Job that reads a candidate: under way, or ended. Pure."""

from modelops.controllers.dataset import ready_condition
from modelops.controllers.dataset.context import Case
from modelops.controllers.dataset.job_result import lost, verdict
from modelops.controllers.dataset.outcome import Lost, Unchanged, outcome
from modelops.controllers.dataset.schedule import undecided
from modelops.machinery.plan import Plan


def being_read(case: Case) -> Plan | None:
    """A Job reads the data. What happens to the source meanwhile is its next question, not this one."""
    job, candidate = case.seen.job, case.candidate
    if job is None or candidate is None or not undecided(candidate.state) or job.finished:
        return None
    status = case.with_candidate(candidate.model_copy(update={"state": "Checking"}))
    return Plan(status=status, conditions=ready_condition.job_runs(case, job, "Checking", "reads the data"))


def has_been_read(case: Case) -> Plan | None:
    """The Job has ended: a snapshot, or a reason why there is none."""
    job, candidate = case.seen.job, case.candidate
    if job is None or candidate is None or not undecided(candidate.state) or not job.finished:
        return None
    match outcome(job):
        case Lost(message):
            return lost(case, job, message)
        case Unchanged():
            return lost(case, job, f"Job {job.key.name} has not read what it was made for")
        case ended:
            return verdict(case, candidate, job, ended)
