"""Decide whether a failed attempt is retried, whether it counts, and how long to back off. Pure."""

from datetime import datetime, timedelta
from enum import Enum

from modelops.api.contract.reports import EXIT_FINAL
from modelops.api.durations import parse_duration
from modelops.api.trainingrun import Retries
from modelops.api.trainingrun_status import Attempt
from modelops.controllers.jobs import JobState
from modelops.controllers.pods import PodState
from modelops.controllers.trainingrun.attempt.outcome import FETCH, SIDECAR, TRAINER, JobFailure
from modelops.machinery.conditions import format_timestamp, parse_timestamp

_MAX_BACKOFF = timedelta(minutes=5)
_MAX_ATTEMPTS = 20
_MAX_MESSAGE_CHARACTERS = 1024
_NODE_REASONS = ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "NodeAffinity")
"""Reasons of a Pod that its kubelet ended. Some kubelets write no condition DisruptionTarget."""
_NODE_PRESSURE = "The node "
"""Beginning of a kubelet's message for an eviction under node pressure, not over the Pod's own limit."""
_DISRUPTION_RULE = "DisruptionTarget"
"""Condition that the Job controller's message names if its rule matched, also after the Pod was deleted."""


class RetryDecision(Enum):
    """Consequence of a failed attempt."""

    FINAL = "a retry cannot help"
    COUNTED = "a retry may help; the failure counts against retries.limit"
    NOT_COUNTED = "a disruption, not the trainer's fault"


def decide_retry(job: JobState, pod: PodState | None, retries: Retries) -> RetryDecision:
    """Decide about a Job that failed. `pod` is the Pod that decided its end, None if that was deleted."""
    if job.finished_reason == "DeadlineExceeded":
        return RetryDecision.FINAL
    if pod is None or _DISRUPTION_RULE in job.message or _node_ended(pod):
        return RetryDecision.NOT_COUNTED
    codes = {name: container.exit_code for name, container in pod.containers.items()}
    if EXIT_FINAL in (codes.get(FETCH), codes.get(SIDECAR)):
        return RetryDecision.FINAL
    if codes.get(TRAINER) in retries.non_retryable_exit_codes:
        return RetryDecision.FINAL
    return RetryDecision.COUNTED


def _node_ended(pod: PodState) -> bool:
    """Return whether the node ended a Pod. Over its own limit of disk a Pod is Evicted too, by the trainer's fault."""
    if pod.reason == "Evicted":
        return bool(pod.disruption) or pod.message.startswith(_NODE_PRESSURE)
    return bool(pod.disruption) or pod.reason in _NODE_REASONS


def failed_attempt(
    number: int, job: JobState, pod: PodState | None, failure: JobFailure, *, counted: bool, now: datetime
) -> Attempt:
    """Return the status' record of an attempt that failed."""
    return Attempt(
        number=number,
        reason=failure.reason,
        message=failure.message[:_MAX_MESSAGE_CHARACTERS],
        node=pod.node or None if pod is not None else None,
        started_at=(pod.created if pod is not None else job.created) or None,
        ended_at=job.ended_at or format_timestamp(now),
        counted=counted,
    )


def halted_attempt(number: int, job: JobState | None, message: str, now: datetime) -> Attempt:
    """Return the status' record of an attempt that was stopped on request."""
    pod = job.pod if job is not None else None
    return Attempt(
        number=number,
        reason="Stopped",
        message=message[:_MAX_MESSAGE_CHARACTERS],
        node=pod.node or None if pod is not None else None,
        started_at=(job.created or None) if job is not None else None,
        ended_at=format_timestamp(now),
        counted=False,
    )


def last_attempts(attempts: list[Attempt]) -> list[Attempt]:
    """Return the last attempts, as many as the status keeps."""
    return attempts[-_MAX_ATTEMPTS:]


def next_start(attempts: list[Attempt], retries: Retries) -> datetime:
    """Return when the next attempt may start: `retries.backoff`, doubled with each failed attempt, up to 5 minutes.

    A `retries.backoff` above 5 minutes is used as it is.
    """
    backoff = parse_duration(retries.backoff)
    doubled: timedelta = backoff * 2 ** min(len(attempts) - 1, 20)
    return parse_timestamp(attempts[-1].ended_at) + min(doubled, max(_MAX_BACKOFF, backoff))
