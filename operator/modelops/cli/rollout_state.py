"""How a rollout stands, and how long its step holds. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from modelops.api.annotations import PAUSE
from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import BlueGreen, Rollout, Shadow, Strategy
from modelops.api.types import Condition


class Standing(IntEnum):
    """How a rollout stands. The value is the exit code of `rollout status`."""

    READY = 0
    """The wanted version serves with all its Pods."""
    BAD = 1
    """It was rolled back, or a person must change something."""
    GOING = 2
    """It is not decided yet."""


@dataclass(frozen=True)
class Hold:
    """What a candidate's step waits for, besides its analysis."""

    until: datetime | None
    """The end of its time. None: there is none, or it has not begun."""
    person: bool
    """A person must promote, after that time if there is one."""


def standing(service: InferenceService) -> Standing:
    """What the conditions say. Conditions of an older spec say nothing of this one."""
    found = {one.type: one for one in service.status.conditions}
    ready = found.get("Ready")
    if ready is None or (ready.observed_generation or 0) < service.metadata.generation:
        return Standing.GOING
    if _holds(found.get("Stalled")) or _holds(found.get("RolledBack")):
        return Standing.BAD
    return Standing.READY if _holds(ready) else Standing.GOING


def paused(service: InferenceService) -> bool:
    """Whether a person has asked that the candidate stays in its step."""
    return service.metadata.annotations.get(PAUSE) == "true"


def pod_by_pod(service: InferenceService) -> bool:
    """Whether versions are replaced without steps."""
    return service.spec.rollout is None or service.spec.rollout.strategy is Strategy.ROLLING


def held_up(service: InferenceService) -> bool:
    """Whether the candidate has failed and waits for a person, as `onFailure: Pause` says. Promoting has it go on in
    spite of that, wherever it is.
    """
    rollout = service.spec.rollout
    if rollout is None or rollout.on_failure != "Pause" or service.status.candidate is None:
        return False
    return any(one.type == "Stalled" and _holds(one) for one in service.status.conditions)


def hold(service: InferenceService) -> Hold | None:
    """What the candidate's step waits for. None: there is no candidate, or its strategy holds nothing."""
    candidate, rollout = service.status.candidate, service.spec.rollout
    if candidate is None or rollout is None or candidate.step == 0:
        return None
    known = _length(rollout, candidate.step)
    if known is None:
        return None
    length, person = known
    if length is None or candidate.step_since is None:
        return Hold(None, person)
    return Hold(datetime.fromisoformat(candidate.step_since) + parse_duration(length), person)


def _length(rollout: Rollout, step: int) -> tuple[str | None, bool] | None:
    """How long a step holds, and whether it then waits for a person."""
    match rollout.strategy:
        case Strategy.CANARY if step <= len(rollout.steps):
            length = rollout.steps[step - 1].hold
            return length, length is None
        case Strategy.BLUE_GREEN:
            swap = rollout.blue_green or BlueGreen()
            return (swap.watch, False) if step > 1 else (swap.hold or "0s", swap.approval == "Person")
        case Strategy.SHADOW:
            shadow = rollout.shadow or Shadow()
            return shadow.duration, shadow.then == "Wait"
    return None


def _holds(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"
