"""How a training Job ended, told apart by what really happened. Pure."""

from dataclasses import dataclass

from modelops.api.reports import CourierReport, FetchReport
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState

FETCH, TRAINER, COURIER = "fetch", "trainer", "courier"


@dataclass(frozen=True)
class Failure:
    """Why a Job failed."""

    reason: str
    message: str


@dataclass(frozen=True)
class Success:
    """What a Job published."""

    report: CourierReport
    image_id: str


@dataclass(frozen=True)
class Lost:
    """The Job ended, and what it left cannot be read any more."""

    message: str


def outcome(job: JobState) -> Success | Failure | Lost:
    """How a finished Job ended."""
    pod = _telling(job)
    if job.state == "Complete":
        report = pod.report(COURIER, CourierReport) if pod else None
        if pod is None or report is None or report.artifact is None:
            return Lost(f"Job {job.key.name} is complete, but its Pod was deleted before its report was read")
        return Success(report, pod.containers[TRAINER].image_id)
    if job.ended_because == "DeadlineExceeded":
        return Failure("DeadlineExceeded", "the run did not end within its timeout")
    if pod is None:
        return Failure(job.ended_because or "JobFailed", job.message or "the Job failed and its Pods are gone")
    return why_failed(pod) or Failure(job.ended_because or "JobFailed", job.message)


def why_failed(pod: PodState) -> Failure | None:
    """Why a Pod failed: the node's word first, then the kernel's, then the trainer's own."""
    if pod.reason:
        return Failure(pod.reason, pod.message or f"Pod {pod.name} failed: {pod.reason}")
    fetched = pod.report(FETCH, FetchReport)
    if fetched is not None and fetched.failure is not None:
        return Failure(fetched.failure.reason, fetched.failure.message)
    trainer = pod.containers.get(TRAINER)
    if trainer is not None and trainer.ended_because == "OOMKilled":
        return Failure("OutOfMemory", "the trainer used more memory than its limit and was killed; raise trainer.resources.limits.memory")
    report = pod.report(COURIER, CourierReport)
    if report is not None and report.failure is not None:
        return Failure(report.failure.reason, report.failure.message)
    if trainer is not None and trainer.exit_code:
        return Failure("TrainerFailed", f"the trainer exited with code {trainer.exit_code}")
    return next(
        (
            Failure("PodFailed", f"container {one.name} exited with code {one.exit_code} ({one.ended_because})")
            for one in pod.containers.values()
            if one.exit_code
        ),
        None,
    )


def _telling(job: JobState) -> PodState | None:
    """The Pod whose end was the Job's: of a complete Job the one that succeeded, else the newest."""
    succeeded = [pod for pod in job.pods if pod.phase == "Succeeded"]
    return succeeded[0] if succeeded and job.state == "Complete" else job.pod
