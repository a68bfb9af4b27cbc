"""What Ready, Reconciling and Stalled say. Pure.

With a good snapshot the Dataset is of use all the same: it is Ready while something new is under way or was rejected.
"""

from modelops.api.dataset import Candidate, DatasetStatus, Snapshot
from modelops.controllers.dataset.context import Case
from modelops.controllers.jobs import JobState
from modelops.machinery.conditions import (
    READY,
    RECONCILING,
    STALLED,
    DesiredCondition,
    condition,
    in_progress,
    ready,
    stalled,
)


def current(snapshot: Snapshot) -> tuple[DesiredCondition, ...]:
    """The newest data is the current snapshot."""
    message = f"{objects(snapshot.objects)}, {snapshot.rows} rows, digest {snapshot.digest}"
    return ready("SnapshotCurrent", message)


def working(case: Case, reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Something new is under way."""
    if case.snapshot is None:
        return in_progress(reason, message)
    current = f"snapshot {case.snapshot.digest} is current"
    return condition(READY, True, "SnapshotCurrent", current), condition(RECONCILING, True, reason, message)


def job_runs(case: Case, job: JobState, reason: str, does: str) -> tuple[DesiredCondition, ...]:
    """A Job is under way; what keeps it from running is for a person to see."""
    pod = job.pod
    if pod is None:
        return working(case, reason, f"Job {job.key.name} exists, its Pod does not yet")
    return held_up(case, job) or working(case, reason, f"Pod {pod.name} {does} (attempt {max(job.attempts, 1)})")


def held_up(case: Case, job: JobState) -> tuple[DesiredCondition, ...] | None:
    """What keeps a Job's Pod from running, if anything does."""
    pod = job.pod
    if pod is None:
        return None
    if pod.pull_problem is not None:
        return stalled("ImagePullFailed", pod.pull_problem.waiting_message or pod.pull_problem.waiting_reason)
    if pod.start_problem is not None:
        return stalled(pod.start_problem.waiting_reason, pod.start_problem.waiting_message)
    if pod.unschedulable:
        return working(case, "Unschedulable", pod.unschedulable)
    return None


def rejected(status: DatasetStatus, candidate: Candidate) -> tuple[DesiredCondition, ...]:
    """Without a good snapshot to fall back on, a rejection is a person's business."""
    reason, message = candidate.reason or "Rejected", candidate.message or ""
    if status.snapshot is None:
        return stalled(reason, message)
    return ready("CandidateRejected", f"the last good snapshot stays; newer data was rejected: {message}")


def failed(candidate: Candidate) -> tuple[DesiredCondition, ...]:
    """The data could not be checked."""
    return stalled(candidate.reason or "CheckFailed", candidate.message or "")


def between_surveys(case: Case) -> tuple[DesiredCondition, ...]:
    """What the last survey left behind holds until the next one has ended, unless the spec has changed."""
    candidate = case.candidate
    if not case.looked_for_spec:
        return working(case, "Probing", "a Job looks at the source")
    if candidate is None and case.snapshot is not None:
        return current(case.snapshot)
    if candidate is not None and candidate.state == "Rejected":
        return rejected(case.status, candidate)
    if candidate is not None and candidate.state == "Failed":
        return failed(candidate)
    reason, message = (candidate.reason, candidate.message) if candidate is not None else (None, None)
    return working(case, reason or "Probing", message or "a Job looks at the source")


def as_before(case: Case) -> tuple[DesiredCondition, ...]:
    """As the status has it."""
    told = (one for one in case.status.conditions if one.type in (READY, RECONCILING, STALLED))
    return tuple(DesiredCondition(one.type, one.status, one.reason, one.message) for one in told)


def objects(count: int) -> str:
    """`1 object`, `2 objects`."""
    return f"{count} object{'s' if count != 1 else ''}"
