"""How a training Job ended, told apart by what really happened. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.contract.reports import Artifact, FetchReport, SidecarReport
from modelops.api.trainingrun_status import RunArtifact
from modelops.api.types import Metrics
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import Container, PodState

FETCH, TRAINER, SIDECAR = "fetch", "trainer", "sidecar"
_SIDECAR_LEARNS_IN = timedelta(minutes=1)
_SHOWN_OF_LOG = 500


@dataclass(frozen=True)
class JobFailure:
    """Why a Job failed."""

    reason: str
    message: str


@dataclass(frozen=True)
class JobSuccess:
    """The model that a Job published."""

    artifact: RunArtifact
    metrics: Metrics


@dataclass(frozen=True)
class ReportLost:
    """The Job ended, and what it left cannot be read any more."""

    message: str


def job_outcome(job: JobState) -> JobSuccess | JobFailure | ReportLost:
    """How a finished Job ended."""
    pod = job.deciding_pod
    if job.state == "Complete":
        report = pod.report(SIDECAR, SidecarReport) if pod else None
        if pod is None or report is None or report.artifact is None:
            return ReportLost(f"Job {job.key.name} is complete, but its Pod was deleted before its report was read")
        return JobSuccess(_artifact(report, report.artifact, pod.containers[TRAINER].image_id), report.metrics)
    if job.finished_reason == "DeadlineExceeded":
        return JobFailure(job.finished_reason, "the run did not end within its timeout")
    if pod is None:
        return JobFailure(job.finished_reason or "JobFailed", job.message or "the Job failed and its Pods are gone")
    return pod_failure(pod) or JobFailure(job.finished_reason or "JobFailed", job.message)


def _artifact(report: SidecarReport, published: Artifact, image_id: str) -> RunArtifact:
    return RunArtifact(
        uri=published.uri,
        digest=published.digest,
        bytes=published.bytes,
        image=image_id,
        packages=report.packages,
        history=report.history,
    )


def pod_failure(pod: PodState) -> JobFailure | None:
    """Why a Pod failed: the node's word first, then the kernel's, then the trainer's own."""
    if pod.reason:
        return JobFailure(pod.reason, pod.message or f"Pod {pod.name} failed: {pod.reason}")
    fetched = pod.report(FETCH, FetchReport)
    if fetched is not None and fetched.failure is not None:
        return JobFailure(fetched.failure.reason, fetched.failure.message)
    trainer = pod.containers.get(TRAINER)
    if trainer is not None and trainer.terminated_reason == "OOMKilled":
        return JobFailure(
            "OutOfMemory",
            "the trainer used more memory than its limit and was killed; raise trainer.resources.limits.memory",
        )
    report = pod.report(SIDECAR, SidecarReport)
    if report is not None and report.failure is not None:
        return JobFailure(report.failure.reason, report.failure.message + _last_words(trainer, report.failure.message))
    if trainer is not None and trainer.exit_code:
        said = f"the trainer exited with code {trainer.exit_code}"
        return JobFailure("TrainerFailed", said + _last_words(trainer, said))
    return next(
        (
            JobFailure("PodFailed", f"container {one.name} exited with code {one.exit_code} ({one.terminated_reason})")
            for one in pod.containers.values()
            if one.exit_code
        ),
        None,
    )


def trainer_not_started(pod: PodState, now: datetime) -> JobFailure | timedelta | None:
    """A trainer that ended before its supervisor began: the sidecar beside it would wait for ever.

    How long the sidecar may still need to learn of a trainer's failure; the failure once that time is over.
    """
    trainer, sidecar = pod.containers.get(TRAINER), pod.containers.get(SIDECAR)
    if trainer is None or sidecar is None or not trainer.exit_code or trainer.running or not sidecar.running:
        return None
    if not trainer.ended_at:
        return _SIDECAR_LEARNS_IN
    left = datetime.fromisoformat(trainer.ended_at) + _SIDECAR_LEARNS_IN - now
    if left > timedelta():
        return left
    if trainer.terminated_reason == "OOMKilled":
        return pod_failure(pod)
    end = f"{trainer.terminated_reason} (exit code {trainer.exit_code})"
    said = f"the trainer ended with {end} before its command could run"
    return JobFailure("TrainerNotStarted", said + _last_words(trainer, said))


def _last_words(trainer: Container | None, said: str) -> str:
    """The end of a failed trainer's log, where nothing else tells why: the failure file was not written."""
    if trainer is None or not trainer.exit_code or not trainer.message or not said.startswith("the trainer e"):
        return ""
    return f": {trainer.message.strip()[-_SHOWN_OF_LOG:]}"
