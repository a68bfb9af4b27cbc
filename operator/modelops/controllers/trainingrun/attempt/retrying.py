"""Which failures a further attempt can help, which of them count, and how long to wait. Pure."""

from datetime import datetime, timedelta
from enum import Enum

from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.durations import parse_duration
from modelops.api.trainingrun import Retries
from modelops.api.trainingrun_status import Attempt
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState
from modelops.controllers.trainingrun.attempt.outcome import FETCH, SIDECAR, TRAINER, Failure
from modelops.machinery.conditions import format_timestamp, parse_timestamp

_LONGEST_PAUSE = timedelta(minutes=5)
_KEPT = 20
_MESSAGE_CHARACTERS = 1024
_NODE_ENDED_IT = ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity")
"""What a kubelet writes as a Pod's reason when it ended the Pod and not the Pod itself. Some write no condition."""
_NODE_IS_SHORT = "The node "
"""How a kubelet's message begins when the node runs out of something, and not the Pod over its own limit."""
_DISRUPTION_RULE = "DisruptionTarget"
"""The Job controller's message names the condition that its rule matched, also when the Pod is gone."""


class Verdict(Enum):
    """What a failed attempt means for the next one."""

    FINAL = "no attempt can help"
    COUNTED = "another attempt may help, and counts"
    FREE = "it was not the trainer's fault"


def verdict(job: JobState, pod: PodState | None, retries: Retries) -> Verdict:
    """Whether a Job that failed is worth another one."""
    if job.finished_reason == "DeadlineExceeded":
        return Verdict.FINAL
    if pod is None or _DISRUPTION_RULE in job.message or _node_ended(pod):
        return Verdict.FREE
    codes = {name: container.exit_code for name, container in pod.containers.items()}
    if EXIT_FINAL in (codes.get(FETCH), codes.get(SIDECAR)):
        return Verdict.FINAL
    if codes.get(TRAINER) in retries.non_retryable_exit_codes:
        return Verdict.FINAL
    return Verdict.COUNTED


def _node_ended(pod: PodState) -> bool:
    """Also a Pod that used more disk than its own limit is `Evicted`: that is the trainer's doing."""
    if pod.reason == "Evicted":
        return bool(pod.disruption) or pod.message.startswith(_NODE_IS_SHORT)
    return bool(pod.disruption) or pod.reason in _NODE_ENDED_IT


def failed_attempt(
    number: int, job: JobState, pod: PodState | None, failure: Failure, *, counted: bool, now: datetime
) -> Attempt:
    """What the status keeps of an attempt that did not succeed."""
    return Attempt(
        number=number,
        reason=failure.reason,
        message=failure.message[:_MESSAGE_CHARACTERS],
        node=pod.node or None if pod is not None else None,
        started_at=(pod.created if pod is not None else job.created) or None,
        ended_at=job.ended_at or format_timestamp(now),
        counted=counted,
    )


def halted_attempt(number: int, job: JobState | None, message: str, now: datetime) -> Attempt:
    """What the status keeps of an attempt that somebody stopped."""
    pod = job.pod if job is not None else None
    return Attempt(
        number=number,
        reason="Stopped",
        message=message[:_MESSAGE_CHARACTERS],
        node=pod.node or None if pod is not None else None,
        started_at=(job.created or None) if job is not None else None,
        ended_at=format_timestamp(now),
        counted=False,
    )


def kept(attempts: list[Attempt]) -> list[Attempt]:
    """The last ones, as many as the status holds."""
    return attempts[-_KEPT:]


def next_start(attempts: list[Attempt], retries: Retries) -> datetime:
    """When the next attempt may start: the pause doubles with each one that failed in a row."""
    doubled = parse_duration(retries.backoff) * 2 ** min(len(attempts) - 1, 20)
    return parse_timestamp(attempts[-1].ended_at) + min(doubled, max(_LONGEST_PAUSE, parse_duration(retries.backoff)))
