"""What keeps a Pod from answering, in words a person can act on. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelops.api.contract.reports import EXIT_FINAL, FetchReport
from modelops.controllers.inferenceservice.pod.model_server import FETCH, MODEL, PROXY
from modelops.controllers.inferenceservice.revisions.observed import Member, ServerPod
from modelops.controllers.pods import Container, PodState
from modelops.machinery.resources import Body

_ENOUGH_ENDS = 3
"""Half a minute apart by then."""
_TAIL = 1000
"""Of a container's last words the end says most."""


@dataclass(frozen=True)
class Problem:
    """Why a Pod does not answer. A `stuck` one stays so until a person changes something."""

    reason: str
    message: str
    stuck: bool = False
    final: bool = False
    """No person can change it but by another spec or version."""


def of_revision(member: Member | None) -> Problem | None:
    """What keeps the Pods of a revision from answering, be it that there are none."""
    return None if member is None else worst(member.living) or _not_created(member.body)


def worst(pods: Iterable[ServerPod]) -> Problem | None:
    """What keeps Pods from answering: a problem that waits for a person first, then the newest Pod's."""
    waiting = [pod.state for pod in pods if pod.counts and not pod.ready]
    waiting.sort(key=lambda pod: (pod.created, pod.name), reverse=True)
    problems = [found for found in map(problem_of, waiting) if found is not None]
    return next((found for found in problems if found.stuck), problems[0] if problems else None)


def hopeless(pods: Iterable[ServerPod]) -> Problem | None:
    """What Pods will not get over by themselves: other bytes than the digest's, or a container that ends again and
    again.
    """
    for pod in pods:
        found = problem_of(pod.state) if pod.counts and not pod.ready else None
        if found is not None and (found.final or _ends_again_and_again(pod.state)):
            return found
    return None


def problem_of(pod: PodState) -> Problem | None:
    """What keeps one Pod from answering. None where it only needs time."""
    return _unscheduled(pod) or _not_pulled(pod) or _not_fetched(pod) or _not_started(pod) or _ended(pod)


def _not_created(deployment: Body) -> Problem | None:
    """A quota, an admission policy or a missing ServiceAccount: no Pod is there to say so."""
    conditions = {one["type"]: one for one in deployment.get("status", {}).get("conditions", [])}
    found = conditions.get("ReplicaFailure", {})
    if found.get("status") != "True":
        return None
    told = found.get("message", "")
    # Room may come by itself.
    return Problem(
        found.get("reason", "FailedCreate"), f"no Pod can be made: {told}", stuck="exceeded quota" not in told
    )


def _unscheduled(pod: PodState) -> Problem | None:
    return Problem("Unschedulable", f"Pod {pod.name}: {pod.unschedulable}") if pod.unschedulable else None


def _not_pulled(pod: PodState) -> Problem | None:
    found = pod.pull_problem
    if found is None:
        return None
    return Problem("ImagePullFailed", f"Pod {pod.name}, container {found.name}: {_waits(found)}", stuck=True)


def _not_fetched(pod: PodState) -> Problem | None:
    """The init container says what is wrong with the artifact, or with the store."""
    fetch = pod.containers.get(FETCH)
    report = pod.report(FETCH, FetchReport)
    if fetch is None or report is None or report.failure is None:
        return None
    final = fetch.exit_code == EXIT_FINAL
    return Problem(report.failure.reason, f"Pod {pod.name}: {report.failure.message}", stuck=final, final=final)


def _not_started(pod: PodState) -> Problem | None:
    found = pod.start_problem
    if found is None:
        return None
    return Problem(found.waiting_reason, f"Pod {pod.name}, container {found.name}: {_waits(found)}", stuck=True)


def _ended(pod: PodState) -> Problem | None:
    """A container that is started again and again, with what it said last."""
    for name in (FETCH, PROXY, MODEL):
        found = pod.containers.get(name)
        if found is not None and _has_failed(found):
            reason = "OOMKilled" if found.terminated_reason == "OOMKilled" else "CrashLoopBackOff"
            return Problem(reason, f"Pod {pod.name}: {_last_end(found)}")
    return None


def _has_failed(container: Container) -> bool:
    """A model server that ends with 0 has failed too: it shall not end. The init container shall."""
    if container.exit_code is None:
        return False
    return container.exit_code != 0 or container.name != FETCH


def _ends_again_and_again(pod: PodState) -> bool:
    return any(_ends(one) >= _ENOUGH_ENDS and _has_failed(one) for one in pod.containers.values())


def _ends(container: Container) -> int:
    """How often it has ended: of the first run and each one after, all but one that is still under way."""
    return container.restarts + (not container.running)


def _last_end(container: Container) -> str:
    because = (
        f" ({container.terminated_reason})" if container.terminated_reason not in ("", "Error", "Completed") else ""
    )
    said = container.message.strip()
    tail = said if len(said) <= _TAIL else "…" + said[-_TAIL:]
    return f"container {container.name} ended with exit code {container.exit_code}{because}" + (
        f": {tail}" if tail else ""
    )


def _waits(container: Container) -> str:
    return container.waiting_message or container.waiting_reason
