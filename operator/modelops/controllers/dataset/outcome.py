"""How a snapshot Job ended, told apart by what must happen next. Pure."""

from dataclasses import dataclass, field

from modelops.api.contract.reports import SnapshotReport
from modelops.controllers.dataset.children import SNAPSHOT
from modelops.controllers.jobs import JobState

_OF_THE_DATA = ("EmptyPrefix", "UnusableKey")


@dataclass(frozen=True)
class Taken:
    """The data has been read: a manifest, and what is wrong with the data, if anything is."""

    report: SnapshotReport


@dataclass(frozen=True)
class Unchanged:
    """A survey has found what is known, and has read nothing."""

    report: SnapshotReport


@dataclass(frozen=True)
class Moved:
    """The data changed while it was read. The report says as far as it can what is there now."""

    message: str
    report: SnapshotReport


@dataclass(frozen=True)
class Unusable:
    """The data cannot be a snapshot, whoever reads it."""

    reason: str
    message: str
    report: SnapshotReport


@dataclass(frozen=True)
class Failure:
    """The data could not be read, which need not be the data's fault."""

    reason: str
    message: str
    report: SnapshotReport = field(default_factory=SnapshotReport)


@dataclass(frozen=True)
class Lost:
    """The Job ended well, and its report cannot be read any more."""

    message: str


Ended = Taken | Moved | Unusable | Failure
"""What is said of the data."""


def outcome(job: JobState) -> Ended | Unchanged | Lost:
    """How a finished Job ended."""
    pod = job.deciding_pod
    report = pod.report(SNAPSHOT, SnapshotReport) if pod is not None else None
    if job.state == "Complete":
        if report is not None and report.unchanged:
            return Unchanged(report)
        if report is None or report.digest is None or report.manifest is None:
            return Lost(f"Job {job.key.name} is complete, but its Pod was deleted before its report was read")
        return Taken(report)
    if job.finished_reason == "DeadlineExceeded":
        return Failure(job.finished_reason, f"Job {job.key.name} did not end within its time; {job.message}")
    if report is not None and report.failure is not None:
        failure = report.failure
        if failure.reason == "SourceChanged":
            return Moved(failure.message, report)
        kind = Unusable if failure.reason in _OF_THE_DATA else Failure
        return kind(failure.reason, failure.message, report)
    container = pod.containers.get(SNAPSHOT) if pod is not None else None
    if container is not None and container.terminated_reason == "OOMKilled":
        return Failure("OutOfMemory", "reading the data took more memory than the Job has; write it in smaller objects")
    if pod is not None and pod.reason:
        return Failure(pod.reason, pod.message or f"Pod {pod.name} failed: {pod.reason}")
    if container is not None and container.exit_code:
        message = f"Job {job.key.name} exited with code {container.exit_code} and left no report"
        return Failure("WorkerFailed", message)
    return Failure(
        job.finished_reason or "JobFailed", job.message or f"Job {job.key.name} failed and its Pods are gone"
    )
