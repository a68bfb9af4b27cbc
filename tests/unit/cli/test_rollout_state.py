"""The state of a rollout, which scripts read as an exit code, and the hold of a step."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime

import pytest

from modelops.api.inferenceservice import InferenceService
from modelops.cli.rollout_state import Hold, RolloutState, hold, rollout_state
from support.controllers.cli_objects import canary, candidate, condition, service


@dataclass(frozen=True)
class Case:
    """An InferenceService, and the state of its rollout."""

    name: str
    service: InferenceService
    state: RolloutState


@pytest.mark.parametrize(
    "case",
    [
        Case("a service without conditions is progressing", service(), RolloutState.PROGRESSING),
        Case("a service that is Ready is ready", service(conditions=[condition("Ready", "True")]), RolloutState.READY),
        Case(
            "a service that is not Ready is progressing",
            service(conditions=[condition("Ready", "False")]),
            RolloutState.PROGRESSING,
        ),
        Case(
            "conditions of an older generation do not count",
            service(conditions=[condition("Ready", "True", generation=2)]),
            RolloutState.PROGRESSING,
        ),
        Case(
            "a stalled rollout has failed",
            service(conditions=[condition("Ready", "False"), condition("Stalled", "True")]),
            RolloutState.FAILED,
        ),
        Case(
            "a rolled back rollout has failed",
            service(conditions=[condition("Ready", "False"), condition("RolledBack", "True")]),
            RolloutState.FAILED,
        ),
        Case(
            "a service that is Ready again after a rollback is ready",
            service(conditions=[condition("Ready", "True"), condition("RolledBack", "False")]),
            RolloutState.READY,
        ),
    ],
    ids=lambda case: case.name,
)
def test_rollout_state(case: Case) -> None:
    """A pipeline must not continue with a version that was rolled back, or with an older one."""
    assert rollout_state(case.service) is case.state


def test_exit_codes_are_as_documented() -> None:
    assert [(state.name, state.value) for state in RolloutState] == [("READY", 0), ("FAILED", 1), ("PROGRESSING", 2)]


@dataclass(frozen=True)
class HoldCase:
    """A rollout, the candidate's step, and the expected hold: `until` is a time of 2026-11-25."""

    name: str
    _: KW_ONLY
    rollout: dict[str, object] | None
    step: int
    until: str | None = None
    person: bool = False
    no_hold: bool = False


@pytest.mark.parametrize(
    "case",
    [
        HoldCase("without spec.rollout there is no hold", rollout=None, step=1, no_hold=True),
        HoldCase("a rolling update has no hold", rollout={"strategy": "Rolling"}, step=1, no_hold=True),
        HoldCase("before the first step there is no hold", rollout=canary(), step=0, no_hold=True),
        HoldCase("a Canary's step with a hold ends by time", rollout=canary(), step=1, until="12:10:00"),
        HoldCase("a Canary's step without a hold waits for a person", rollout=canary(), step=2, person=True),
        HoldCase("a step that the spec no longer has has no hold", rollout=canary({"weight": 5}), step=2, no_hold=True),
        HoldCase("BlueGreen has no hold by default", rollout={"strategy": "BlueGreen"}, step=1, until="12:00:00"),
        HoldCase(
            "BlueGreen with approval by a person waits for the person after its hold",
            rollout={"strategy": "BlueGreen", "blueGreen": {"hold": "1m", "approval": "Person"}},
            step=1,
            until="12:01:00",
            person=True,
        ),
        HoldCase(
            "BlueGreen watches the candidate after the swap",
            rollout={"strategy": "BlueGreen", "blueGreen": {"watch": "7m", "approval": "Person"}},
            step=2,
            until="12:07:00",
        ),
        HoldCase(
            "Shadow waits for a person at its end by default",
            rollout={"strategy": "Shadow"},
            step=1,
            until="13:00:00",
            person=True,
        ),
        HoldCase(
            "Shadow with then: Promote ends by time",
            rollout={"strategy": "Shadow", "shadow": {"duration": "5m", "then": "Promote"}},
            step=1,
            until="12:05:00",
        ),
    ],
    ids=lambda case: case.name,
)
def test_hold(case: HoldCase) -> None:
    """A person sees whether the rollout waits for time or for them."""
    actual = hold(service(rollout=case.rollout, candidate=candidate(step=case.step)))
    if case.no_hold:
        assert actual is None
    else:
        until = datetime.fromisoformat(f"2026-11-25T{case.until}+00:00") if case.until else None
        assert actual == Hold(until, case.person)


def test_a_hold_has_no_end_before_the_traffic_has_shifted() -> None:
    assert hold(service(rollout=canary(), candidate=candidate(stepSince=None))) == Hold(None, False)


def test_without_a_candidate_there_is_no_hold() -> None:
    assert hold(service(rollout=canary())) is None
