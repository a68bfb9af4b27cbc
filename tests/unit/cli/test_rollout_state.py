"""How a rollout stands: what a script that waits for it goes by."""

from dataclasses import dataclass
from datetime import datetime

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.cli.rollout_state import Hold, RolloutState, hold, rollout_state
from support.cli_objects import canary, candidate, condition, service


@dataclass(frozen=True)
class Case:
    """What is seen, and how it stands."""

    name: str
    seen: InferenceService
    expect: RolloutState


@pytest.mark.parametrize(
    "case",
    [
        Case("nobody has looked at it", service(), RolloutState.PROGRESSING),
        Case("the wanted version serves", service(conditions=[condition("Ready", "True")]), RolloutState.READY),
        Case("it is being rolled out", service(conditions=[condition("Ready", "False")]), RolloutState.PROGRESSING),
        Case(
            "the conditions speak of the spec before",
            service(conditions=[condition("Ready", "True", generation=2)]),
            RolloutState.PROGRESSING,
        ),
        Case(
            "a person must change something",
            service(conditions=[condition("Ready", "False"), condition("Stalled", "True")]),
            RolloutState.FAILED,
        ),
        Case(
            "it was rolled back",
            service(conditions=[condition("Ready", "False"), condition("RolledBack", "True")]),
            RolloutState.FAILED,
        ),
        Case(
            "a former roll-back is over",
            service(conditions=[condition("Ready", "True"), condition("RolledBack", "False")]),
            RolloutState.READY,
        ),
    ],
    ids=lambda case: case.name,
)
def test_standing(case: Case) -> None:
    """A pipeline that goes on with a model that was rolled back, or with the one before, would be worse than none."""
    assert rollout_state(case.seen) is case.expect


def test_exit_codes_are_as_documented() -> None:
    """Scripts compare with these."""
    assert [(one.name, one.value) for one in RolloutState] == [("READY", 0), ("FAILED", 1), ("PROGRESSING", 2)]


@dataclass(frozen=True)
class Wait:
    """A strategy, the candidate's step, and what it waits for."""

    name: str
    rollout: dict[str, object] | None
    step: int
    until: str | None = None
    person: bool = False
    nothing: bool = False


@pytest.mark.parametrize(
    "case",
    [
        Wait("no rollout holds nothing", None, 1, nothing=True),
        Wait("Rolling holds nothing", {"strategy": "Rolling"}, 1, nothing=True),
        Wait("before the first step nothing holds", canary(), 0, nothing=True),
        Wait("a Canary's step with a hold", canary(), 1, until="12:10:00"),
        Wait("a Canary's step without one waits for a person", canary(), 2, person=True),
        Wait("a Canary whose spec has fewer steps by now", canary({"weight": 5}), 2, nothing=True),
        Wait("BlueGreen holds as the default says", {"strategy": "BlueGreen"}, 1, until="12:00:00"),
        Wait(
            "BlueGreen waits for a person after its hold",
            {"strategy": "BlueGreen", "blueGreen": {"hold": "1m", "approval": "Person"}},
            1,
            until="12:01:00",
            person=True,
        ),
        Wait(
            "BlueGreen watches with all of the traffic",
            {"strategy": "BlueGreen", "blueGreen": {"watch": "7m", "approval": "Person"}},
            2,
            until="12:07:00",
        ),
        Wait("Shadow waits for a person at its end", {"strategy": "Shadow"}, 1, until="13:00:00", person=True),
        Wait(
            "Shadow decides by itself",
            {"strategy": "Shadow", "shadow": {"duration": "5m", "then": "Promote"}},
            1,
            until="12:05:00",
        ),
    ],
    ids=lambda case: case.name,
)
def test_hold(case: Wait) -> None:
    """Whoever watches a rollout learns whether it waits for time or for them."""
    held = hold(service(rollout=case.rollout, candidate=candidate(step=case.step)))
    if case.nothing:
        assert held is None
    else:
        until = datetime.fromisoformat(f"2026-11-25T{case.until}+00:00") if case.until else None
        assert held == Hold(until, case.person)


def test_hold_begins_when_the_traffic_has_followed() -> None:
    """No end is promised before it is known."""
    assert hold(service(rollout=canary(), candidate=candidate(stepSince=None))) == Hold(None, False)


def test_nothing_holds_without_a_candidate() -> None:
    """A rollout that is over waits for nobody."""
    assert hold(service(rollout=canary())) is None
