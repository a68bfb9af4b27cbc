"""What became of a Job and its Pods, read from their status."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from modelops.controllers.pods import PodState, newest, pod_state
from modelops.machinery.controller import World
from modelops.machinery.plan import Delete
from modelops.machinery.resources import JOBS, PODS, Body, Key, key_of

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"


@dataclass(frozen=True)
class JobState:
    """One Job's state. `ended_because` and `message` are the Job controller's own words, `ended_at` its time.

    `attempts` counts the Pod that a new Job is about to make.
    """

    key: Key
    uid: str
    state: Literal["Active", "Complete", "Failed"]
    ended_because: str
    message: str
    ended_at: str
    attempts: int
    pods: tuple[PodState, ...]

    @property
    def finished(self) -> bool:
        """Nothing of it runs any more."""
        return self.state != "Active"

    @property
    def pod(self) -> PodState | None:
        """Its newest Pod."""
        return newest(self.pods)

    @property
    def telling_pod(self) -> PodState | None:
        """The Pod whose end was the Job's: of a complete Job the one that succeeded, else the newest."""
        succeeded = [pod for pod in self.pods if pod.phase == "Succeeded"]
        return succeeded[0] if succeeded and self.state == "Complete" else self.pod

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
        ended_because=end.get("reason", ""),
        message=end.get("message", ""),
        ended_at=end.get("lastTransitionTime", ""),
        attempts=max(1, status.get("failed", 0) + status.get("succeeded", 0) + status.get("active", 0)),
        pods=tuple(pod_state(pod) for pod in pods),
    )


async def jobs_of(owner_uid: str, world: World) -> list[JobState]:
    """The Jobs of an owner, each with its Pods."""
    return [await _with_pods(body, world) for body in world.cache.bodies("owner", owner_uid, kind=JOBS.kind)]


async def _with_pods(body: Body, world: World) -> JobState:
    pods = list(world.cache.bodies("owner", body["metadata"]["uid"], kind=PODS.kind))
    state = job_state(body, pods)
    if state.finished and not _told(state):
        # The Job's end can be heard of before that of its Pods, and the report is in them.
        key = state.key
        live = await world.kube.find(PODS, key.namespace, f"{JOB_NAME_LABEL}={key.name}")
        state = job_state(body, live)
    return state


def _told(state: JobState) -> bool:
    """Whether the cache has the Pods' ends as well."""
    over = all(pod.phase in ("Succeeded", "Failed") for pod in state.pods)
    return over and any(container.message for pod in state.pods for container in pod.containers.values())


def by_owner(body: Body) -> list[tuple[str, ...]]:
    """Index key: the UID of the controller."""
    return [("owner", owner["uid"]) for owner in body["metadata"].get("ownerReferences", []) if owner.get("controller")]
