"""Tell how a training Job ended, from the states of its containers and their reports. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelops.api.checkpoints import Checkpoint
from modelops.api.contract.reports import FetchReport, ProgressReport, PublishedArtifact, SidecarReport
from modelops.api.trainingrun_status import RunArtifact
from modelops.api.types import Metrics
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState, see_log

FETCH, TRAINER, SIDECAR = "fetch", "trainer", "sidecar"
_SIDECAR_GRACE = timedelta(minutes=1)
"""Time that the sidecar has to notice the end of its trainer."""
_LOG_CHARACTERS = 500
_EXIT_CODE_ONLY = "the trainer e"
"""Beginning of a message that says no more than the exit code: "the trainer exited with", "the trainer ended with"."""


@dataclass(frozen=True)
class JobFailure:
    """Reason and message of a failed Job, for the status."""

    reason: str
    message: str


@dataclass(frozen=True)
class JobSuccess:
    """Model that a Job published, its metrics, and the progress at the end."""

    artifact: RunArtifact
    metrics: Metrics
    progress: ProgressReport | None


@dataclass(frozen=True)
class ReportLost:
    """The Job is complete, but its report was deleted with its Pod."""

    message: str


def job_outcome(job: JobState) -> JobSuccess | JobFailure | ReportLost:
    """Return the model of a finished Job, the reason of its failure, or that its report is lost."""
    pod = job.deciding_pod
    if job.state == "Complete":
        report = pod.report(SIDECAR, SidecarReport) if pod else None
        if pod is None or report is None or report.artifact is None:
            return ReportLost(f"Job {job.key.name} is complete, but its Pod was deleted before its report was read")
        artifact = _artifact(report, report.artifact, pod.containers[TRAINER].image_id)
        return JobSuccess(artifact, report.metrics, report.progress)
    if job.finished_reason == "DeadlineExceeded":
        return JobFailure(job.finished_reason, "the attempt exceeded its timeout")
    if pod is None:
        return JobFailure(job.finished_reason or "JobFailed", job.message or "the Job failed and its Pods are deleted")
    return pod_failure(pod) or JobFailure(job.finished_reason or "JobFailed", job.message)


def _artifact(report: SidecarReport, published: PublishedArtifact, image_id: str) -> RunArtifact:
    return RunArtifact(
        uri=published.uri,
        digest=published.digest,
        bytes=published.bytes,
        image=image_id,
        packages=report.packages,
        history=report.history,
    )


def saved_checkpoints(job: JobState) -> list[Checkpoint]:
    """Return the checkpoints that the sidecars of a Job have reported as they ended, also those that were killed."""
    reports = (pod.report(SIDECAR, SidecarReport) for pod in job.pods)
    return [checkpoint for report in reports if report is not None for checkpoint in report.checkpoints]


def pod_failure(pod: PodState) -> JobFailure | None:
    """Return why a Pod failed; None if nothing in its status says so.

    The first of these decides: the kubelet's reason, the report of fetch, an OOM kill of the trainer, the sidecar's
    report, the trainer's exit code, the exit code of another container.
    """
    if pod.reason:
        return JobFailure(pod.reason, pod.message or f"Pod {pod.name} failed: {pod.reason}")
    fetched = pod.report(FETCH, FetchReport)
    if fetched is not None and fetched.failure is not None:
        return JobFailure(fetched.failure.reason, fetched.failure.message)
    trainer = pod.containers.get(TRAINER)
    if trainer is not None and trainer.terminated_reason == "OOMKilled":
        return JobFailure(
            "OutOfMemory",
            "the trainer exceeded its memory limit and was killed; raise trainer.resources.limits.memory",
        )
    report = pod.report(SIDECAR, SidecarReport)
    if report is not None and report.failure is not None:
        return JobFailure(report.failure.reason, _with_log(report.failure.message, pod))
    if trainer is not None and trainer.exit_code:
        return JobFailure("TrainerFailed", _with_log(f"the trainer exited with code {trainer.exit_code}", pod))
    return next(
        (
            JobFailure(
                "PodFailed",
                f"container {container.name} exited with code {container.exit_code} ({container.terminated_reason})",
            )
            for container in pod.containers.values()
            if container.exit_code
        ),
        None,
    )


def trainer_not_started(pod: PodState, now: datetime) -> JobFailure | timedelta | None:
    """Detect a trainer that ended before its supervisor started: the sidecar would wait for its exit code for ever.

    Returns None if no trainer has failed beside a sidecar that runs, else the time that the sidecar still has to notice
    the end, and the failure once that time is over.
    """
    trainer, sidecar = pod.containers.get(TRAINER), pod.containers.get(SIDECAR)
    if trainer is None or sidecar is None or not trainer.exit_code or trainer.running or not sidecar.running:
        return None
    if not trainer.ended_at:
        return _SIDECAR_GRACE
    left = datetime.fromisoformat(trainer.ended_at) + _SIDECAR_GRACE - now
    if left > timedelta():
        return left
    if trainer.terminated_reason == "OOMKilled":
        return pod_failure(pod)
    end = f"{trainer.terminated_reason} (exit code {trainer.exit_code})"
    return JobFailure("TrainerNotStarted", _with_log(f"the trainer ended with {end} before its command ran", pod))


def _with_log(message: str, pod: PodState) -> str:
    """Append the end of a failed trainer's log to a message without a reason: the trainer wrote no failure file.

    The log of a trainer that has Secrets is not in its Pod's status: then append where it is.
    """
    trainer = pod.containers.get(TRAINER)
    if trainer is None or not trainer.exit_code or not message.startswith(_EXIT_CODE_ONLY):
        return message
    log = trainer.message.strip()[-_LOG_CHARACTERS:]
    return f"{message}: {log}" if log else f"{message}{see_log(pod, TRAINER)}"
