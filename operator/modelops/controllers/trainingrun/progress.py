"""How far a Job that has not ended is, and what holds it up. Pure."""

from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState
from modelops.controllers.trainingrun.outcome import TRAINER, why_failed
from modelops.machinery.conditions import Wanted, condition, in_progress, stalled


def created(job_name: str) -> tuple[Wanted, ...]:
    """Conditions of a run whose Job has just been made: also until its Pod has a node, which is not worth a write."""
    return _not_running("JobCreated", f"Job {job_name} is created, and its Pod waits for a node")


def progress(job: JobState) -> tuple[Wanted, ...]:
    """Conditions of a run whose Job is not finished."""
    pod = job.pod
    if pod is None or _new(pod):
        return created(job.key.name)
    if pod.pull_problem is not None:
        problem = pod.pull_problem
        return _stuck("ImagePullFailed", f"container {problem.name}: {problem.waits_message or problem.waits_because}")
    if pod.start_problem is not None:
        problem = pod.start_problem
        return _stuck(problem.waits_because, f"container {problem.name}: {problem.waits_message}")
    if pod.unschedulable:
        return _not_running("Unschedulable", pod.unschedulable)
    if pod.phase == "Failed":
        failure = why_failed(pod)
        return _not_running("Retrying", f"the last attempt failed: {failure.message if failure else pod.name}")
    trainer = pod.containers.get(TRAINER)
    if trainer is None or not trainer.started:
        # The kubelet says nothing in a Pod's status of a volume that it cannot mount.
        first = "once its images and the Secrets of data and store are there"
        return _not_running("Preparing", f"Pod {pod.name} fetches the data, {first}")
    if trainer.running:
        message = f"the trainer runs in Pod {pod.name} on {pod.node}"
        return *in_progress("Training", message), condition("Running", True, "Training", message)
    return _not_running("Publishing", f"the trainer has ended; Pod {pod.name} stores the model")


def _new(pod: PodState) -> bool:
    return pod.phase == "Pending" and not pod.node and not pod.unschedulable


def _not_running(reason: str, message: str) -> tuple[Wanted, ...]:
    return *in_progress(reason, message), condition("Running", False, reason, message)


def _stuck(reason: str, message: str) -> tuple[Wanted, ...]:
    return *stalled(reason, message), condition("Running", False, reason, message)
