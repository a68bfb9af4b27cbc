"""The steps of a rollout, whatever its strategy: how much traffic the candidate gets, and for how long. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.rollout import BlueGreen, Rollout, Shadow, Strategy

_ALL = 100


@dataclass(frozen=True)
class Step:
    """Traffic for the candidate, and how long the rollout holds it at least."""

    weight: int
    """Percent of the requests that the candidate answers. 0: mirrored requests at most."""
    mirror: int
    """Percent of the stable version's requests that are mirrored to the candidate."""
    hold: timedelta | None
    """None: until a person promotes."""
    discards: bool = False
    """After this step the candidate is deleted, in place of a next step."""


def steps(rollout: Rollout) -> tuple[Step, ...]:
    """Return the steps before promotion; none for a rolling update."""
    mirror = rollout.mirror.percent if rollout.mirror is not None else 0
    match rollout.strategy:
        case Strategy.CANARY:
            return tuple(Step(step.weight, mirror, _hold(step.hold)) for step in rollout.steps)
        case Strategy.BLUE_GREEN:
            return _blue_green(rollout.blue_green or BlueGreen(), mirror)
        case Strategy.SHADOW:
            return (_shadow(rollout.shadow or Shadow(), mirror or _ALL),)
        case Strategy.ROLLING:
            return ()


def _blue_green(spec: BlueGreen, mirror: int) -> tuple[Step, ...]:
    hold = None if spec.approval == "Person" else parse_duration(spec.hold)
    return Step(0, mirror, hold), Step(_ALL, 0, parse_duration(spec.watch))


def _shadow(spec: Shadow, mirror: int) -> Step:
    hold = None if spec.then == "Wait" else parse_duration(spec.duration)
    return Step(0, mirror, hold, discards=spec.then == "Discard")


def _hold(duration: str | None) -> timedelta | None:
    return None if duration is None else parse_duration(duration)
