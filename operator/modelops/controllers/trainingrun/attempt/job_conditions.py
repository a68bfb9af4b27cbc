"""How far a Job that has not ended is, and what holds it up. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState
from modelops.controllers.trainingrun.attempt.outcome import TRAINER, why_failed
from modelops.controllers.trainingrun.attempt.progress_polling import POLL_EVERY
from modelops.machinery.conditions import DesiredCondition, condition, in_progress, stalled

_LOOK_AGAIN = timedelta(seconds=30)
"""At what is not watched: Kueue's Workloads, and the Events of a Job without Pods."""
_WORDLESS_AGAIN = timedelta(seconds=5)
"""While nobody has said yet why it waits, or nothing waits at all."""


@dataclass(frozen=True)
class Shown:
    """The conditions of a run whose Job has not ended, and when what they say may be other."""

    conditions: tuple[DesiredCondition, ...]
    requeue_after: timedelta | None = None


def created(run: TrainingRun, job_name: str) -> tuple[DesiredCondition, ...]:
    """Conditions of a run whose Job has just been made: also until its Pod has a node, which is not worth a write."""
    if run.spec.queue_name is not None:
        return _queued(run, "")
    return _not_running("JobCreated", f"Job {job_name} is created, and its Pod waits for a node")


def progress(run: TrainingRun, job: JobState, held_up: str) -> Shown:
    """Conditions of a run whose Job is not finished. `held_up`: why it has no Pods, where somebody says so."""
    if job.suspended:
        return Shown(_queued(run, held_up), _LOOK_AGAIN if held_up else _WORDLESS_AGAIN)
    pod = job.pod
    if pod is None:
        return _without_pods(run, job, held_up)
    return Shown(_with_pod(run, job, pod), POLL_EVERY if pod.running(TRAINER) else None)


def _queued(run: TrainingRun, words: str) -> tuple[DesiredCondition, ...]:
    """Waiting is no failure, and nobody's clock runs."""
    message = words or f"Kueue has not admitted the Job to LocalQueue {run.spec.queue_name} yet"
    return *_not_running("Queued", message), condition("Queued", True, "Queued", message)


def _without_pods(run: TrainingRun, job: JobState, held_up: str) -> Shown:
    if "exceeded quota" in held_up:
        return Shown(_not_running("QuotaExceeded", held_up), _LOOK_AGAIN)
    if held_up:
        return Shown(_not_running("PodsRefused", held_up), _LOOK_AGAIN)
    return Shown(created(run, job.key.name) if run.spec.queue_name is None else _admitted(job), _WORDLESS_AGAIN)


def _admitted(job: JobState) -> tuple[DesiredCondition, ...]:
    return _not_running("JobCreated", f"Kueue has admitted Job {job.key.name}, and its Pods are to come")


def _with_pod(run: TrainingRun, job: JobState, pod: PodState) -> tuple[DesiredCondition, ...]:
    if _new(pod):
        return _admitted(job) if run.spec.queue_name is not None else created(run, job.key.name)
    if pod.pull_problem is not None:
        problem = pod.pull_problem
        return _stuck(
            "ImagePullFailed", f"container {problem.name}: {problem.waiting_message or problem.waiting_reason}"
        )
    if pod.start_problem is not None:
        problem = pod.start_problem
        return _stuck(problem.waiting_reason, f"container {problem.name}: {problem.waiting_message}")
    if pod.unschedulable:
        return _not_running("Unschedulable", pod.unschedulable)
    if pod.phase == "Failed":
        failure = why_failed(pod)
        return _not_running("AttemptFailed", failure.message if failure else f"Pod {pod.name} failed")
    trainer = pod.containers.get(TRAINER)
    if trainer is None or not trainer.started:
        # The kubelet says nothing in a Pod's status of a volume that it cannot mount.
        first = "once its images and the Secrets of data and store are there"
        return _not_running("Preparing", f"Pod {pod.name} fetches the data, {first}")
    if trainer.running:
        workers = (
            f"{len(job.pods)} of {run.spec.workers.count} workers are there, the first"
            if job.indexed
            else "the trainer runs"
        )
        message = f"{workers} in Pod {pod.name} on {pod.node}"
        return *in_progress("Training", message), condition("Running", True, "Training", message)
    return _not_running("Publishing", f"the trainer has ended; Pod {pod.name} stores the model")


def _new(pod: PodState) -> bool:
    return pod.phase == "Pending" and not pod.node and not pod.unschedulable


def _not_running(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    return *in_progress(reason, message), condition("Running", False, reason, message)


def _stuck(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    return *stalled(reason, message), condition("Running", False, reason, message)
