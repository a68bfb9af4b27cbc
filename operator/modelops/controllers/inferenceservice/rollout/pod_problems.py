"""Reasons for which a Pod is not ready, as messages that a person can act on. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelops.api.contract.reports import EXIT_FINAL, FetchReport
from modelops.controllers.inferenceservice.pod.model_server import FETCH, MODEL, PROXY
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision, ServerPod
from modelops.controllers.pods import Container, PodState, see_log
from modelops.machinery.resources import Body

_CRASHES_BEFORE_FAILURE = 3
"""The kubelet's back-off between two starts is then about half a minute."""
_LOG_TAIL = 1000
"""Characters of a container's last message that are shown: the end of it."""


@dataclass(frozen=True)
class Problem:
    """Reason for which a Pod is not ready, with a message for a person."""

    reason: str
    message: str
    stuck: bool = False
    """A person must change something."""
    final: bool = False
    """Only another spec or version helps."""


def revision_problem(revision: ObservedRevision | None) -> Problem | None:
    """Return why the Pods of a revision are not ready, or why they cannot be created."""
    if revision is None:
        return None
    return most_urgent(revision.living) or _not_created(revision.deployment)


def most_urgent(pods: Iterable[ServerPod]) -> Problem | None:
    """Return the problem that waits for a person, or else the problem of the newest Pod that has one."""
    waiting = [pod.state for pod in pods if pod.counts and not pod.ready]
    waiting.sort(key=lambda pod: (pod.created, pod.name), reverse=True)
    problems = [problem for problem in map(pod_problem, waiting) if problem is not None]
    return next((problem for problem in problems if problem.stuck), problems[0] if problems else None)


def unrecoverable(pods: Iterable[ServerPod]) -> Problem | None:
    """Return a failure that retrying cannot fix: a digest mismatch, or a container that crashes again and again."""
    for pod in pods:
        problem = pod_problem(pod.state) if pod.counts and not pod.ready else None
        if problem is not None and (problem.final or _crashes_again_and_again(pod.state)):
            return problem
    return None


def pod_problem(pod: PodState) -> Problem | None:
    """Return why a Pod is not ready; None where it only needs time."""
    return _unscheduled(pod) or _not_pulled(pod) or _not_fetched(pod) or _not_started(pod) or _crashed(pod)


def _not_created(deployment: Body) -> Problem | None:
    """Return why a Deployment cannot create Pods: a quota, an admission policy or a missing ServiceAccount."""
    conditions = {condition["type"]: condition for condition in deployment.get("status", {}).get("conditions", [])}
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") != "True":
        return None
    message = failure.get("message", "")
    # Quota may become free without a person.
    stuck = "exceeded quota" not in message
    return Problem(failure.get("reason", "FailedCreate"), f"Pods cannot be created: {message}", stuck=stuck)


def _unscheduled(pod: PodState) -> Problem | None:
    return Problem("Unschedulable", f"Pod {pod.name}: {pod.unschedulable}") if pod.unschedulable else None


def _not_pulled(pod: PodState) -> Problem | None:
    container = pod.pull_problem
    if container is None:
        return None
    return Problem("ImagePullFailed", _waiting_message(pod, container), stuck=True)


def _not_fetched(pod: PodState) -> Problem | None:
    """Return what the init container reports about the artifact or the store."""
    fetch = pod.containers.get(FETCH)
    report = pod.report(FETCH, FetchReport)
    if fetch is None or report is None or report.failure is None:
        return None
    final = fetch.exit_code == EXIT_FINAL
    return Problem(report.failure.reason, f"Pod {pod.name}: {report.failure.message}", stuck=final, final=final)


def _not_started(pod: PodState) -> Problem | None:
    container = pod.start_problem
    if container is None:
        return None
    return Problem(container.waiting_reason, _waiting_message(pod, container), stuck=True)


def _crashed(pod: PodState) -> Problem | None:
    """Return the last message of a container that the kubelet restarts."""
    for name in (FETCH, PROXY, MODEL):
        container = pod.containers.get(name)
        if container is not None and _has_failed(container):
            reason = "OOMKilled" if container.terminated_reason == "OOMKilled" else "CrashLoopBackOff"
            return Problem(reason, f"Pod {pod.name}: {_termination(pod, container)}")
    return None


def _has_failed(container: Container) -> bool:
    """Return whether a container terminated that should not have: a server at all, fetch-model with a failure."""
    if container.exit_code is None:
        return False
    return container.exit_code != 0 or container.name != FETCH


def _crashes_again_and_again(pod: PodState) -> bool:
    return any(
        _terminations(container) >= _CRASHES_BEFORE_FAILURE and _has_failed(container)
        for container in pod.containers.values()
    )


def _terminations(container: Container) -> int:
    """Return how often a container terminated: each run but the present one."""
    return container.restarts + (not container.running)


def _termination(pod: PodState, container: Container) -> str:
    unusual = container.terminated_reason not in ("", "Error", "Completed")
    reason = f" ({container.terminated_reason})" if unusual else ""
    log = container.message.strip()
    tail = log if len(log) <= _LOG_TAIL else "…" + log[-_LOG_TAIL:]
    ending = f"container {container.name} ended with exit code {container.exit_code}{reason}"
    return f"{ending}: {tail}" if tail else f"{ending}{see_log(pod, container.name)}"


def _waiting_message(pod: PodState, container: Container) -> str:
    return f"Pod {pod.name}, container {container.name}: {container.waiting_message or container.waiting_reason}"
