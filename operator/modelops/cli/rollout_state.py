"""State of a rollout, and what the candidate's step waits for. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from modelops.api.annotations import PAUSE
from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.rollout import BlueGreen, Rollout, Shadow, Strategy
from modelops.api.types import Condition


class RolloutState(IntEnum):
    """State of a rollout. The value is the exit code of `rollout status`."""

    READY = 0
    """The selected version serves with all its Pods."""
    FAILED = 1
    """The rollout was rolled back, or a person must change something."""
    PROGRESSING = 2
    """The rollout has not ended."""


@dataclass(frozen=True)
class Hold:
    """Condition that a candidate's step waits for, besides its analysis."""

    until: datetime | None
    """End of the hold. None for a hold without an end, or one that has not begun."""
    person: bool
    """A person must promote, after the end of the hold if there is one."""


def rollout_state(service: InferenceService) -> RolloutState:
    """Return the state that the conditions show. Conditions of an older generation do not count."""
    conditions = {condition.type: condition for condition in service.status.conditions}
    ready = conditions.get("Ready")
    if ready is None or (ready.observed_generation or 0) < service.metadata.generation:
        return RolloutState.PROGRESSING
    if _is_true(conditions.get("Stalled")) or _is_true(conditions.get("RolledBack")):
        return RolloutState.FAILED
    return RolloutState.READY if _is_true(ready) else RolloutState.PROGRESSING


def paused(service: InferenceService) -> bool:
    """Return whether a person has paused the rollout."""
    return service.metadata.annotations.get(PAUSE) == "true"


def is_rolling_update(service: InferenceService) -> bool:
    """Return whether the rollout replaces Pods one by one, without steps."""
    return service.spec.rollout is None or service.spec.rollout.strategy is Strategy.ROLLING


def held_after_failure(service: InferenceService) -> bool:
    """Return whether the candidate has failed and waits for a person, as `onFailure: Pause` says.

    A promotion then continues the rollout despite the failure, in every step.
    """
    rollout = service.spec.rollout
    if rollout is None or rollout.on_failure != "Pause" or service.status.candidate is None:
        return False
    return any(condition.type == "Stalled" and _is_true(condition) for condition in service.status.conditions)


def hold(service: InferenceService) -> Hold | None:
    """Return what the candidate's step waits for; None without a candidate or for a step without a hold."""
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
    """Return the length of a step's hold, and whether a person must promote afterwards."""
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


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"
