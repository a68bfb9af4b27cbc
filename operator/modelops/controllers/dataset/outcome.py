"""Outcome of a snapshot Job or probe Job, by what must happen next. Pure."""

from dataclasses import dataclass, field

from modelops.api.contract.reports import SnapshotReport
from modelops.controllers.dataset.children import MEMORY, SNAPSHOT
from modelops.controllers.jobs import JobState

_OF_THE_DATA = ("EmptyPrefix", "UnusableKey")


@dataclass(frozen=True)
class DataRead:
    """The data was read. The report has the manifest and, if there are any, the violations."""

    report: SnapshotReport


@dataclass(frozen=True)
class Unchanged:
    """A probe Job found data that was decided on before, and did not read it."""

    report: SnapshotReport


@dataclass(frozen=True)
class SourceChanged:
    """The data changed while the Job read it. The report may describe the state after the change."""

    message: str
    report: SnapshotReport


@dataclass(frozen=True)
class UnusableData:
    """No Job can take a snapshot of this data."""

    reason: str
    message: str
    report: SnapshotReport


@dataclass(frozen=True)
class ReadFailure:
    """The data could not be read, for a reason that need not lie in the data."""

    reason: str
    message: str
    report: SnapshotReport = field(default_factory=SnapshotReport)


@dataclass(frozen=True)
class ReportLost:
    """The Job completed, but its report was deleted with its Pod."""

    message: str


ReadOutcome = DataRead | SourceChanged | UnusableData | ReadFailure
"""Outcomes that say something about the data."""


def outcome_of(job: JobState) -> ReadOutcome | Unchanged | ReportLost:
    """Return the outcome of a finished Job from its deciding Pod's report, else from the states of Pod and Job."""
    pod = job.deciding_pod
    report = pod.report(SNAPSHOT, SnapshotReport) if pod is not None else None
    if job.state == "Complete":
        if report is not None and report.unchanged:
            return Unchanged(report)
        if report is None or report.digest is None or report.manifest is None:
            return ReportLost(f"Job {job.key.name} is complete, but its Pod was deleted before its report was read")
        return DataRead(report)
    if job.finished_reason == "DeadlineExceeded":
        return ReadFailure(job.finished_reason, f"Job {job.key.name} exceeded its deadline: {job.message}")
    if report is not None and report.failure is not None:
        failure = report.failure
        if failure.reason == "SourceChanged":
            return SourceChanged(failure.message, report)
        kind = UnusableData if failure.reason in _OF_THE_DATA else ReadFailure
        return kind(failure.reason, failure.message, report)
    container = pod.containers.get(SNAPSHOT) if pod is not None else None
    if container is not None and container.terminated_reason == "OOMKilled":
        return ReadFailure(
            "OutOfMemory",
            f"reading the data exceeded the memory limit of {MEMORY}; split the data into smaller objects",
        )
    if pod is not None and pod.reason:
        return ReadFailure(pod.reason, pod.message or f"Pod {pod.name} failed: {pod.reason}")
    if container is not None and container.exit_code:
        message = f"Job {job.key.name} exited with code {container.exit_code} and without a report"
        return ReadFailure("WorkerFailed", message)
    return ReadFailure(
        job.finished_reason or "JobFailed", job.message or f"Job {job.key.name} failed, and its Pods were deleted"
    )
