"""May a version serve? Gates, approval, and what is said about them."""

from dataclasses import dataclass

import pytest

from modelops.api.modelversion import ModelVersion, ModelVersionStatus
from modelops.controllers.modelversion.observe import Observation
from modelops.controllers.modelversion.plan import plan
from support.builders.common import NOW, digest
from support.builders.modelversions import version

GATE = {"metric": "accuracy", "min": 0.8}
APPROVED = {"modelops.dev/approve": digest("a"), "modelops.dev/approved-by": "ada"}
MISTAKEN = {"modelops.dev/approve": digest("c")}
BEFORE = {"approval": {"state": "Approved", "by": "ada", "at": "2026-11-01T09:00:00Z", "digest": digest("a")}}


@dataclass(frozen=True)
class Case:
    """`gates` and `approved` are the statuses of the conditions GatesPassed and Approved."""

    name: str
    given: ModelVersion
    reason: str
    condition: str
    gates: str
    approved: str
    state: str
    message: str = ""


CASES = [
    Case(
        "no gates and no approval: it may serve",
        version(),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
    Case(
        "gates that hold let it serve",
        version(gates=[GATE], metrics={"accuracy": 0.9}),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
    Case(
        "a gate that fails is final, and says by how much",
        version(gates=[GATE], metrics={"accuracy": 0.79}),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="NotRequired",
        message='metric "accuracy" is 0.79 and must be at least 0.8',
    ),
    Case(
        "every gate that failed is named",
        version(gates=[GATE, {"metric": "f1", "min": 0.5}], metrics={"accuracy": 0.1}),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="NotRequired",
        message='must be at least 0.8; metric "f1" is missing',
    ),
    Case(
        "a person is waited for, and is told how to approve",
        version(gates=[GATE], metrics={"accuracy": 0.9}, approval="Manual"),
        "AwaitingApproval",
        "Reconciling",
        gates="True",
        approved="False",
        state="Pending",
        message=f"modelops.dev/approve={digest('a')} modelops.dev/approved-by=",
    ),
    Case(
        "a person has approved this very artifact",
        version(approval="Manual", annotations=APPROVED),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="Approved",
    ),
    Case(
        "an approval of other bytes is none",
        version(approval="Manual", annotations=MISTAKEN),
        "ApprovalMismatch",
        "Stalled",
        gates="True",
        approved="False",
        state="Refused",
        message=digest("c"),
    ),
    Case(
        "no approval overrules a gate",
        version(gates=[GATE], approval="Manual", annotations=APPROVED),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="Approved",
    ),
    Case(
        "an approval that is taken back is gone",
        version(approval="Manual", status=BEFORE),
        "AwaitingApproval",
        "Reconciling",
        gates="True",
        approved="False",
        state="Pending",
    ),
    Case(
        "an annotation where none is asked for changes nothing",
        version(annotations=MISTAKEN),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decision(case: Case) -> None:
    """Gates fail closed, approval names bytes, and the reason is in the condition."""
    decided = plan(Observation(case.given, (), NOW))
    conditions = {one.type: one for one in decided.conditions}
    assert conditions["Ready"].reason == case.reason
    assert conditions["Ready"].status == ("True" if case.condition == "Ready" else "False")
    assert set(conditions) == {"Ready", case.condition, "GatesPassed", "Approved"}
    assert (conditions["GatesPassed"].status, conditions["Approved"].status) == (case.gates, case.approved)
    assert case.message in conditions["Ready"].message
    assert _status(case.given).approval is not None
    assert _status(case.given).approval.state == case.state  # type: ignore[union-attr]
    assert decided.apply == ()


def test_an_approval_keeps_its_time() -> None:
    """When it was approved is evidence: looking again must not move it."""
    seen = _status(version(approval="Manual", annotations=APPROVED, status=BEFORE)).approval
    assert seen is not None
    assert (seen.by, seen.at, seen.digest) == ("ada", "2026-11-01T09:00:00Z", digest("a"))


def test_a_new_approval_has_the_time_it_was_seen() -> None:
    """And who gave it."""
    seen = _status(version(approval="Manual", annotations=APPROVED)).approval
    assert seen is not None
    assert (seen.by, seen.at) == ("ada", "2026-11-05T12:00:00Z")


def test_who_serves_it() -> None:
    """From a version to the services that serve it, without a search."""
    status = plan(Observation(version(), ("blue", "green"), NOW)).status
    assert isinstance(status, ModelVersionStatus)
    assert status.served_by == ["blue", "green"]


def _status(given: ModelVersion) -> ModelVersionStatus:
    status = plan(Observation(given, (), NOW)).status
    assert isinstance(status, ModelVersionStatus)
    return status
