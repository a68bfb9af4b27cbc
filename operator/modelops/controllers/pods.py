"""State of Pods, read from their status. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from modelops.api.base import Model
from modelops.controllers.containers import NO_LOG
from modelops.machinery.resources import Body

R = TypeVar("R", bound=Model)
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
_PULL_PROBLEMS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_START_PROBLEMS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class Container:
    """State of a container."""

    name: str
    started: bool
    running: bool
    exit_code: int | None
    terminated_reason: str
    message: str
    """Termination message of the last termination."""
    waiting_reason: str
    waiting_message: str
    image_id: str
    restarts: int
    ended_at: str = ""
    """Time of the last termination, as Kubernetes writes times."""
    log_is_kept_out: bool = False
    """Whether the message is never the end of the container's log, so that no Secret that it printed is in a status."""


@dataclass(frozen=True)
class PodState:
    """State of a Pod."""

    name: str
    created: str
    node: str
    phase: str
    reason: str
    message: str
    ready: bool
    unschedulable: str
    """Message of the scheduler if no node fits; else empty."""
    containers: dict[str, Container]
    index: int = 0
    """Rank among the Pods of an Indexed Job."""
    address: str = ""
    """IP address."""
    uid: str = ""
    disruption: str = ""
    """Reason of the condition DisruptionTarget, such as PreemptionByScheduler; empty if there was no disruption."""

    @property
    def ended_at(self) -> str:
        """Time at which the first container failed, as Kubernetes writes times; empty if no container failed."""
        failed = (container for container in self.containers.values() if container.exit_code)
        return min((container.ended_at for container in failed if container.ended_at), default="")

    def running(self, container: str) -> bool:
        """Return whether a container runs."""
        state = self.containers.get(container)
        return state is not None and state.running

    def report(self, container: str, kind: type[R]) -> R | None:
        """Return the report in a container's termination message; None without a valid report."""
        state = self.containers.get(container)
        if state is None or not state.message:
            return None
        try:
            return kind.model_validate_json(state.message)
        except ValidationError:
            return None

    @property
    def pull_problem(self) -> Container | None:
        """Container whose image cannot be pulled."""
        return self._waiting_for(_PULL_PROBLEMS)

    @property
    def start_problem(self) -> Container | None:
        """Container that cannot be created or started."""
        return self._waiting_for(_START_PROBLEMS)

    def _waiting_for(self, reasons: Collection[str]) -> Container | None:
        return next((container for container in self.containers.values() if container.waiting_reason in reasons), None)


def pod_state(body: Body) -> PodState:
    """Return a Pod's state from its body."""
    status = body.get("status", {})
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    spec = body.get("spec", {})
    containers = spec.get("containers", [])
    no_log = {item["name"] for item in containers if item.get("terminationMessagePolicy") == NO_LOG}
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return PodState(
        name=body["metadata"]["name"],
        created=body["metadata"].get("creationTimestamp", ""),
        node=spec.get("nodeName") or "",
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        containers={item["name"]: _container(item, log_is_kept_out=item["name"] in no_log) for item in statuses},
        index=int((body["metadata"].get("annotations") or {}).get(INDEX_ANNOTATION, 0)),
        address=status.get("podIP", ""),
        uid=body["metadata"].get("uid", ""),
        disruption=disruption.get("reason", "") if disruption.get("status") == "True" else "",
    )


def see_log(pod: PodState, container: str) -> str:
    """Return the end of a message that says where the log is, if it is kept out of the container's message; else empty.

    `container` is the first of its Pod, whose log `kubectl logs` shows. One that has left a message of its own says
    enough.
    """
    state = pod.containers.get(container)
    if state is None or state.message or not state.log_is_kept_out:
        return ""
    previous = " --previous" if state.running or state.waiting_reason else ""
    return f"; its log is not shown here, since the container has Secrets: see kubectl logs {pod.name}{previous}"


def newest(pods: Iterable[PodState]) -> PodState | None:
    """Return the Pod that was created last; None if there are no Pods."""
    return max(pods, key=lambda pod: (pod.created, pod.name), default=None)


def _container(status: dict[str, Any], *, log_is_kept_out: bool) -> Container:
    state = status.get("state", {})
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
    waiting = state.get("waiting", {})
    return Container(
        name=status["name"],
        started="running" in state or bool(ended),
        running="running" in state,
        exit_code=ended.get("exitCode"),
        terminated_reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        image_id=status.get("imageID", ""),
        restarts=status.get("restartCount", 0),
        ended_at=ended.get("finishedAt") or "",
        log_is_kept_out=log_is_kept_out,
    )
