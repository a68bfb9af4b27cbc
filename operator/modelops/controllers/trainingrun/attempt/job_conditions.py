"""Show the state of an active Job, and what holds it up, as conditions of its run. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState
from modelops.controllers.trainingrun.attempt.outcome import TRAINER, pod_failure
from modelops.controllers.trainingrun.attempt.progress_polling import POLL_EVERY
from modelops.machinery.conditions import DesiredCondition, condition, in_progress, stalled

_REASON_KNOWN_AGAIN = timedelta(seconds=30)
"""Requeue of a Job without Pods: neither Kueue's Workloads nor the Job's Events are watched."""
_REASON_UNKNOWN_AGAIN = timedelta(seconds=5)
"""Requeue while neither Kueue nor the Job controller has given a reason."""


@dataclass(frozen=True)
class JobConditions:
    """Conditions of a run whose Job is active, and when to update them if nothing wakes the run."""

    conditions: tuple[DesiredCondition, ...]
    requeue_after: timedelta | None = None


def created_conditions(run: TrainingRun, job_name: str) -> tuple[DesiredCondition, ...]:
    """Return the conditions from a Job's creation until its Pod has a node: one write of the status for all of it."""
    if run.spec.queue_name is not None:
        return _queued(run, "")
    return _not_running("JobCreated", f"Job {job_name} created: waiting for a node")


def job_conditions(run: TrainingRun, job: JobState, held_up: str) -> JobConditions:
    """Return the conditions of a run whose Job is active.

    `held_up` is why the Job has no Pods, in the words of Kueue or of the Job controller; empty if neither says.
    """
    if job.suspended:
        return JobConditions(_queued(run, held_up), _REASON_KNOWN_AGAIN if held_up else _REASON_UNKNOWN_AGAIN)
    pod = job.pod
    if pod is None:
        return _without_pods(run, job, held_up)
    return JobConditions(_with_pod(run, job, pod), POLL_EVERY if pod.running(TRAINER) else None)


def _queued(run: TrainingRun, words: str) -> tuple[DesiredCondition, ...]:
    """Show a Job in a queue. That is not a failure, and the time does not count for `timeout`."""
    message = words or f"waiting for Kueue to admit the Job to LocalQueue {run.spec.queue_name}"
    return *_not_running("Queued", message), condition("Queued", True, "Queued", message)


def _without_pods(run: TrainingRun, job: JobState, held_up: str) -> JobConditions:
    if "exceeded quota" in held_up:
        return JobConditions(_not_running("QuotaExceeded", held_up), _REASON_KNOWN_AGAIN)
    if held_up:
        return JobConditions(_not_running("PodsRefused", held_up), _REASON_KNOWN_AGAIN)
    conditions = created_conditions(run, job.key.name) if run.spec.queue_name is None else _admitted(job)
    return JobConditions(conditions, _REASON_UNKNOWN_AGAIN)


def _admitted(job: JobState) -> tuple[DesiredCondition, ...]:
    return _not_running("JobCreated", f"Job {job.key.name} admitted by Kueue: waiting for its Pods")


def _with_pod(run: TrainingRun, job: JobState, pod: PodState) -> tuple[DesiredCondition, ...]:
    if _new(pod):
        return _admitted(job) if run.spec.queue_name is not None else created_conditions(run, job.key.name)
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
        failure = pod_failure(pod)
        return _not_running("AttemptFailed", failure.message if failure else f"Pod {pod.name} failed")
    trainer = pod.containers.get(TRAINER)
    if trainer is None or not trainer.started:
        # A Pod's status does not show a volume that the kubelet cannot mount.
        message = f"Pod {pod.name} is fetching the data, or is waiting for images and the Secrets of data and store"
        return _not_running("Preparing", message)
    if trainer.running:
        place = f"Pod {pod.name} on node {pod.node}"
        workers = f"{len(job.pods)}/{run.spec.workers.count} workers created, the first in {place}"
        message = workers if job.indexed else f"trainer running in {place}"
        return *in_progress("Training", message), condition("Running", True, "Training", message)
    return _not_running("Publishing", f"trainer ended: Pod {pod.name} is storing the model")


def _new(pod: PodState) -> bool:
    return pod.phase == "Pending" and not pod.node and not pod.unschedulable


def _not_running(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    return *in_progress(reason, message), condition("Running", False, reason, message)


def _stuck(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    return *stalled(reason, message), condition("Running", False, reason, message)
