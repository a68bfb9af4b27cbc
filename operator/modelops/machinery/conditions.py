"""Conditions as kstatus reads them: Ready is always present, Reconciling and Stalled only while they are true."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from modelops.api.types import Condition

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
_MESSAGE_LIMIT = 8192


@dataclass(frozen=True)
class DesiredCondition:
    """Condition that a plan wants in the status. `merge` adds its time and generation."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def condition(type_: str, holds: bool, reason: str, message: str) -> DesiredCondition:
    """Return a condition of status True or False."""
    return DesiredCondition(type_, "True" if holds else "False", reason, message)


def ready(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Return Ready=True: the object is as its spec says."""
    return (condition(READY, True, reason, message),)


def in_progress(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Return Ready=False and Reconciling=True: the operator is working on the object."""
    return condition(READY, False, reason, message), condition(RECONCILING, True, reason, message)


def waiting(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Return Ready=False and Reconciling=True: something outside is missing, and its arrival enqueues the object."""
    return in_progress(reason, message)


def stalled(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Return Ready=False and Stalled=True: only a change by a person helps."""
    return condition(READY, False, reason, message), condition(STALLED, True, reason, message)


def merge(
    old: Iterable[Condition], desired: Iterable[DesiredCondition], generation: int, now: datetime
) -> list[Condition]:
    """Return the desired conditions, each with the time at which its status last changed.

    Old conditions of other types are dropped. Messages are cut to 8,192 characters.
    """
    old_by_type = {condition.type: condition for condition in old}
    return [
        Condition(
            type=condition.type,
            status=condition.status,
            reason=condition.reason,
            message=condition.message[:_MESSAGE_LIMIT],
            last_transition_time=_transition_time(old_by_type.get(condition.type), condition, now),
            observed_generation=generation,
        )
        for condition in desired
    ]


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)


def format_timestamp(time: datetime) -> str:
    """Format a time as Kubernetes does: UTC, whole seconds, such as `2026-03-01T12:00:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp of the Kubernetes API. Raises ValueError."""
    return datetime.fromisoformat(text)


def _transition_time(old: Condition | None, desired: DesiredCondition, now: datetime) -> str:
    if old is not None and old.status == desired.status:
        return old.last_transition_time
    return format_timestamp(now)
