"""State of Jobs and their Pods, read from their status."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from modelops.api.kinds import Kind
from modelops.controllers.owned import owned
from modelops.controllers.pods import JOB_NAME_LABEL, PodState, newest, pod_state
from modelops.machinery.context import ReconcileContext
from modelops.machinery.made_jobs import is_believed, made_jobs
from modelops.machinery.ownership import controller_of
from modelops.machinery.plan import Delete
from modelops.machinery.resources import CHILD_SELECTOR, JOBS, PODS, Body, Key, key_of


@dataclass(frozen=True)
class JobState:
    """State of a Job. `finished_reason`, `message` and `ended_at` are from the condition Complete or Failed."""

    key: Key
    uid: str
    state: Literal["Active", "Complete", "Failed"]
    created: str
    suspended: bool
    """Whether spec.suspend keeps the Job from having Pods, as Kueue does until there is quota."""
    indexed: bool
    """Whether the Pods have ranks. All Pods of an Indexed Job are one attempt."""
    finished_reason: str
    message: str
    ended_at: str
    pods: tuple[PodState, ...]

    @property
    def finished(self) -> bool:
        """Whether the Job is complete or has failed."""
        return self.state != "Active"

    @property
    def attempts(self) -> int:
        """Number of Pods of a Job that creates them one after another. A new Job counts the Pod that it will create."""
        return max(1, len(self.pods))

    @property
    def pod(self) -> PodState | None:
        """Pod that shows the Job's state: the newest; of an Indexed Job one that cannot start, else the first rank."""
        if not self.indexed:
            return newest(self.pods)
        ranks = sorted(self.pods, key=lambda pod: pod.index)
        held_up = (pod for pod in ranks if pod.pull_problem or pod.start_problem or pod.unschedulable)
        return next(held_up, ranks[0] if ranks else None)

    @property
    def deciding_pod(self) -> PodState | None:
        """Pod whose end decided the Job's: the first that succeeded or failed, as the Job did; else that of `pod`."""
        phase = "Succeeded" if self.state == "Complete" else "Failed"
        ended = [pod for pod in self.pods if pod.phase == phase]
        if self.state == "Complete" and ended:
            return min(ended, key=lambda pod: pod.index)
        if self.indexed and ended:
            return min(ended, key=lambda pod: (pod.ended_at or self.ended_at, pod.index))
        return self.pod

    @property
    def delete(self) -> Delete:
        """Deletion of this Job, and of no other with the same name."""
        return Delete(self.key, self.uid)


def job_state(body: Body, pods: Iterable[Body]) -> JobState:
    """Return a Job's state from its body and the bodies of its Pods. Pure."""
    status = body.get("status", {})
    true = {item["type"]: item for item in status.get("conditions", []) if item["status"] == "True"}
    end = true.get("Complete") or true.get("Failed") or {}
    return JobState(
        key=key_of(body),
        uid=body["metadata"]["uid"],
        state="Complete" if "Complete" in true else "Failed" if "Failed" in true else "Active",
        created=body["metadata"].get("creationTimestamp", ""),
        suspended=bool(body.get("spec", {}).get("suspend")),
        indexed=body.get("spec", {}).get("completionMode") == "Indexed",
        finished_reason=end.get("reason", ""),
        message=end.get("message", ""),
        ended_at=end.get("lastTransitionTime", ""),
        pods=tuple(pod_state(pod) for pod in pods),
    )


async def jobs_of(owner: Kind, context: ReconcileContext) -> list[JobState]:
    """Return the states of an owner's Jobs and their Pods, but not of a Job that took another's place.

    Raises ApiError.
    """
    bodies = owned(owner.metadata.namespace, owner.metadata.uid, context.cache, JOBS.kind)
    return [await _with_pods(body, context) for body in bodies if is_believed(body, made_jobs(owner))]


async def _with_pods(body: Body, context: ReconcileContext) -> JobState:
    namespace, uid = body["metadata"]["namespace"], body["metadata"]["uid"]
    state = job_state(body, owned(namespace, uid, context.cache, PODS.kind))
    if state.finished and not _has_report(state):
        # The watch can deliver the end of a Job before the end of its Pods, and only the Pods have the report.
        # With the operator's label, which the chart's policies let nobody else give: any Pod may name the Job as its
        # controller, and have the label of the Job's name.
        live = await context.kube.find(PODS, namespace, f"{CHILD_SELECTOR},{JOB_NAME_LABEL}={state.key.name}")
        state = job_state(body, (pod for pod in live if _controls(uid, pod)))
    return state


def _has_report(state: JobState) -> bool:
    """Return whether all Pods have ended, and a container has left a termination message."""
    ended = all(pod.phase in ("Succeeded", "Failed") for pod in state.pods)
    return ended and any(container.message for pod in state.pods for container in pod.containers.values())


def _controls(uid: str, pod: Body) -> bool:
    """Return whether a Pod is the Job's."""
    controller = controller_of(pod)
    return controller is not None and controller["uid"] == uid
