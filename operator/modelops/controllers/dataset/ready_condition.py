"""Ready, Reconciling and Stalled of a Dataset. Pure.

A Dataset with a current snapshot is usable: Ready stays True while newer data is checked or after it was rejected.
"""

from modelops.api.dataset import Candidate, DatasetStatus, Snapshot
from modelops.controllers.dataset.context import Context
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


def snapshot_current(snapshot: Snapshot) -> tuple[DesiredCondition, ...]:
    """Return the conditions of a Dataset whose newest data is the current snapshot."""
    message = f"{objects(snapshot.objects)}, {snapshot.rows} rows, digest {snapshot.digest}"
    return ready("SnapshotCurrent", message)


def progressing(context: Context, reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Return the conditions while newer data is checked: Ready is True if there is a current snapshot."""
    if context.snapshot is None:
        return in_progress(reason, message)
    message_of_ready = f"snapshot {context.snapshot.digest} is current"
    return condition(READY, True, "SnapshotCurrent", message_of_ready), condition(RECONCILING, True, reason, message)


def job_running(context: Context, job: JobState, reason: str, activity: str) -> tuple[DesiredCondition, ...]:
    """Return the conditions while a Job runs, or cannot run. `activity` is what its Pod does, such as "reading"."""
    pod = job.pod
    if pod is None:
        return progressing(context, reason, f"Job {job.key.name}: waiting for its Pod")
    return held_up(context, job) or progressing(
        context, reason, f"attempt {max(job.attempts, 1)}: Pod {pod.name} is {activity}"
    )


def held_up(context: Context, job: JobState) -> tuple[DesiredCondition, ...] | None:
    """Return the conditions if the Job's Pod cannot be started or scheduled; None if it can."""
    pod = job.pod
    if pod is None:
        return None
    if pod.pull_problem is not None:
        return stalled("ImagePullFailed", pod.pull_problem.waiting_message or pod.pull_problem.waiting_reason)
    if pod.start_problem is not None:
        return stalled(pod.start_problem.waiting_reason, pod.start_problem.waiting_message)
    if pod.unschedulable:
        return progressing(context, "Unschedulable", pod.unschedulable)
    return None


def candidate_rejected(status: DatasetStatus, candidate: Candidate) -> tuple[DesiredCondition, ...]:
    """Return the conditions after a rejection: Stalled without a current snapshot, else Ready."""
    reason, message = candidate.reason or "Rejected", candidate.message or ""
    if status.snapshot is None:
        return stalled(reason, message)
    return ready("CandidateRejected", f"newer data rejected, last good snapshot stays current: {message}")


def candidate_failed(candidate: Candidate) -> tuple[DesiredCondition, ...]:
    """Return the conditions after the data could not be checked."""
    return stalled(candidate.reason or "CheckFailed", candidate.message or "")


def between_probe_jobs(context: Context) -> tuple[DesiredCondition, ...]:
    """Return the conditions of the last probe Job's result, or that one probes the source if the spec has changed."""
    candidate = context.candidate
    if not context.probed_for_spec:
        return progressing(context, "Probing", "a Job is probing the source")
    if candidate is None and context.snapshot is not None:
        return snapshot_current(context.snapshot)
    if candidate is not None and candidate.state == "Rejected":
        return candidate_rejected(context.status, candidate)
    if candidate is not None and candidate.state == "Failed":
        return candidate_failed(candidate)
    reason, message = (candidate.reason, candidate.message) if candidate is not None else (None, None)
    return progressing(context, reason or "Probing", message or "a Job is probing the source")


def unchanged(context: Context) -> tuple[DesiredCondition, ...]:
    """Return Ready, Reconciling and Stalled as they are in the status."""
    return tuple(
        DesiredCondition(item.type, item.status, item.reason, item.message)
        for item in context.status.conditions
        if item.type in (READY, RECONCILING, STALLED)
    )


def objects(count: int) -> str:
    """Return a number of objects in words: `1 object`, `2 objects`."""
    return f"{count} object{'s' if count != 1 else ''}"
