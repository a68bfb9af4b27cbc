"""What became of a Pod, read from its status. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from modelops.api.base import Model
from modelops.machinery.resources import Body

R = TypeVar("R", bound=Model)
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
_PULL_PROBLEMS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_START_PROBLEMS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class Container:
    """One container's state."""

    name: str
    started: bool
    running: bool
    exit_code: int | None
    terminated_reason: str
    message: str
    """The termination message of its last end."""
    waiting_reason: str
    waiting_message: str
    image_id: str
    restarts: int
    ended_at: str = ""
    """When it last ended, as Kubernetes writes it."""


@dataclass(frozen=True)
class PodState:
    """One Pod's state."""

    name: str
    created: str
    node: str
    phase: str
    reason: str
    message: str
    ready: bool
    unschedulable: str
    """The scheduler's words, where no node fits."""
    containers: dict[str, Container]
    index: int = 0
    """Its rank among the Pods of an Indexed Job."""
    address: str = ""
    """Its IP."""
    uid: str = ""
    disruption: str = ""
    """Why Kubernetes itself ended it: preemption, eviction, the loss of its node. Empty where it did not."""

    @property
    def ended_at(self) -> str:
        """When the first of its containers failed, as Kubernetes writes it; empty where none did."""
        return min((one.ended_at for one in self.containers.values() if one.exit_code and one.ended_at), default="")

    def running(self, container: str) -> bool:
        """Whether a container runs."""
        state = self.containers.get(container)
        return state is not None and state.running

    def report(self, container: str, kind: type[R]) -> R | None:
        """What a worker left as its termination message; None where there is nothing that can be read."""
        state = self.containers.get(container)
        if state is None or not state.message:
            return None
        try:
            return kind.model_validate_json(state.message)
        except ValidationError:
            return None

    @property
    def pull_problem(self) -> Container | None:
        """A container whose image cannot be had."""
        return next((one for one in self.containers.values() if one.waiting_reason in _PULL_PROBLEMS), None)

    @property
    def start_problem(self) -> Container | None:
        """A container that cannot be started at all."""
        return next((one for one in self.containers.values() if one.waiting_reason in _START_PROBLEMS), None)


def pod_state(body: Body) -> PodState:
    """A Pod's state from its body."""
    status = body.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return PodState(
        name=body["metadata"]["name"],
        created=body["metadata"].get("creationTimestamp", ""),
        node=body.get("spec", {}).get("nodeName") or "",
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        containers={one["name"]: _container(one) for one in statuses},
        index=int((body["metadata"].get("annotations") or {}).get(INDEX_ANNOTATION, 0)),
        address=status.get("podIP", ""),
        uid=body["metadata"].get("uid", ""),
        disruption=disruption.get("reason", "") if disruption.get("status") == "True" else "",
    )


def newest(pods: Iterable[PodState]) -> PodState | None:
    """The Pod that was created last."""
    return max(pods, key=lambda pod: (pod.created, pod.name), default=None)


def _container(status: dict[str, Any]) -> Container:
    state = status.get("state", {})
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
    waits = state.get("waiting", {})
    return Container(
        name=status["name"],
        started="running" in state or bool(ended),
        running="running" in state,
        exit_code=ended.get("exitCode"),
        terminated_reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        waiting_reason=waits.get("reason", ""),
        waiting_message=waits.get("message", ""),
        image_id=status.get("imageID", ""),
        restarts=status.get("restartCount", 0),
        ended_at=ended.get("finishedAt") or "",
    )
