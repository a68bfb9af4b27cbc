"""What became of a Job and its Pods, read from their status."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from modelops.controllers.pods import JOB_NAME_LABEL, PodState, newest, pod_state
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Delete
from modelops.machinery.resources import JOBS, PODS, Body, Key, key_of


@dataclass(frozen=True)
class JobState:
    """One Job's state. `finished_reason` and `message` are the Job controller's own words, `ended_at` its time."""

    key: Key
    uid: str
    state: Literal["Active", "Complete", "Failed"]
    created: str
    suspended: bool
    """Something, such as Kueue, holds it back: it has no Pods."""
    indexed: bool
    """Its Pods have ranks, and all of them are one attempt."""
    finished_reason: str
    message: str
    ended_at: str
    pods: tuple[PodState, ...]

    @property
    def finished(self) -> bool:
        """Nothing of it runs any more."""
        return self.state != "Active"

    @property
    def attempts(self) -> int:
        """How many Pods it has made, where it makes them one after the other. Counts the one a new Job will make."""
        return max(1, len(self.pods))

    @property
    def pod(self) -> PodState | None:
        """The Pod to look at: the newest; of several ranks the one that is held up, else the first."""
        if not self.indexed:
            return newest(self.pods)
        ranks = sorted(self.pods, key=lambda pod: pod.index)
        held_up = (pod for pod in ranks if pod.pull_problem or pod.start_problem or pod.unschedulable)
        return next(held_up, ranks[0] if ranks else None)

    @property
    def deciding_pod(self) -> PodState | None:
        """The Pod whose end was the Job's: the first that succeeded, or that failed; else the newest."""
        wanted = "Succeeded" if self.state == "Complete" else "Failed"
        ended = [pod for pod in self.pods if pod.phase == wanted]
        if self.state == "Complete" and ended:
            return min(ended, key=lambda pod: pod.index)
        if self.indexed and ended:
            return min(ended, key=lambda pod: (pod.ended_at or self.ended_at, pod.index))
        return self.pod

    @property
    def delete(self) -> Delete:
        """Its deletion."""
        return Delete(self.key, self.uid)


def job_state(body: Body, pods: Iterable[Body]) -> JobState:
    """A Job's state from its body and those of its Pods. Pure."""
    status = body.get("status", {})
    true = {one["type"]: one for one in status.get("conditions", []) if one["status"] == "True"}
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


async def jobs_of(owner_uid: str, context: ReconcileContext) -> list[JobState]:
    """The Jobs of an owner, each with its Pods."""
    return [await _with_pods(body, context) for body in context.cache.bodies("owner", owner_uid, kind=JOBS.kind)]


async def _with_pods(body: Body, context: ReconcileContext) -> JobState:
    pods = list(context.cache.bodies("owner", body["metadata"]["uid"], kind=PODS.kind))
    state = job_state(body, pods)
    if state.finished and not _told(state):
        # The Job's end can be heard of before that of its Pods, and the report is in them.
        key = state.key
        live = await context.kube.find(PODS, key.namespace, f"{JOB_NAME_LABEL}={key.name}")
        state = job_state(body, live)
    return state


def _told(state: JobState) -> bool:
    """Whether the cache has the Pods' ends as well."""
    over = all(pod.phase in ("Succeeded", "Failed") for pod in state.pods)
    return over and any(container.message for pod in state.pods for container in pod.containers.values())


def by_owner(body: Body) -> list[tuple[str, ...]]:
    """Index key: the UID of the controller."""
    return [("owner", owner["uid"]) for owner in body["metadata"].get("ownerReferences", []) if owner.get("controller")]
