"""Conditions after kstatus: Ready always, Reconciling and Stalled only while they are true."""

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
    """A condition as a plan wants it."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def condition(type_: str, holds: bool, reason: str, message: str) -> DesiredCondition:
    """A condition that holds or does not."""
    return DesiredCondition(type_, "True" if holds else "False", reason, message)


def ready(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """All is as wanted."""
    return (condition(READY, True, reason, message),)


def in_progress(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Not as wanted yet, and being worked on."""
    return condition(READY, False, reason, message), condition(RECONCILING, True, reason, message)


def waiting(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """Something outside is not there yet; its arrival wakes the object."""
    return in_progress(reason, message)


def stalled(reason: str, message: str) -> tuple[DesiredCondition, ...]:
    """A person must change something."""
    return condition(READY, False, reason, message), condition(STALLED, True, reason, message)


def merge(
    old: Iterable[Condition], wanted: Iterable[DesiredCondition], generation: int, now: datetime
) -> list[Condition]:
    """The wanted conditions, each with the time its status last changed."""
    before = {one.type: one for one in old}
    return [
        Condition(
            type=one.type,
            status=one.status,
            reason=one.reason,
            message=one.message[:_MESSAGE_LIMIT],
            last_transition_time=_since(before.get(one.type), one, now),
            observed_generation=generation,
        )
        for one in wanted
    ]


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of a type."""
    return next((one for one in conditions if one.type == type_), None)


def format_timestamp(parse_timestamp: datetime) -> str:
    """As Kubernetes writes a time: UTC, whole seconds."""
    return parse_timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """The time that a timestamp stands for."""
    return datetime.fromisoformat(text)


def _since(before: Condition | None, wanted: DesiredCondition, now: datetime) -> str:
    if before is not None and before.status == wanted.status:
        return before.last_transition_time
    return format_timestamp(now)
