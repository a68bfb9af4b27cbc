"""The way of a candidate, whatever the strategy: a list of stages, each a share of the traffic for a while. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.rollout import BlueGreen, Rollout, Shadow, Strategy

_ALL = 100


@dataclass(frozen=True)
class Stage:
    """A share of the requests for the candidate, and how long it lasts at least."""

    weight: int
    """In percent. 0: none but copies."""
    mirror: int
    """How many percent of the stable version's requests it gets a copy of."""
    hold: timedelta | None
    """Absent: until a person promotes."""
    discards: bool = False
    """What follows this stage is not the next one: the candidate goes."""


def stages(rollout: Rollout) -> tuple[Stage, ...]:
    """The stages before promotion. None for a rollout Pod by Pod."""
    mirror = rollout.mirror.percent if rollout.mirror is not None else 0
    match rollout.strategy:
        case Strategy.CANARY:
            return tuple(Stage(step.weight, mirror, _length(step.hold)) for step in rollout.steps)
        case Strategy.BLUE_GREEN:
            return _blue_green(rollout.blue_green or BlueGreen(), mirror)
        case Strategy.SHADOW:
            return (_shadow(rollout.shadow or Shadow(), mirror or _ALL),)
        case Strategy.ROLLING:
            return ()


def _blue_green(how: BlueGreen, mirror: int) -> tuple[Stage, ...]:
    hold = None if how.approval == "Person" else parse_duration(how.hold)
    return Stage(0, mirror, hold), Stage(_ALL, 0, parse_duration(how.watch))


def _shadow(how: Shadow, mirror: int) -> Stage:
    hold = None if how.then == "Wait" else parse_duration(how.duration)
    return Stage(0, mirror, hold, discards=how.then == "Discard")


def _length(duration: str | None) -> timedelta | None:
    return None if duration is None else parse_duration(duration)
