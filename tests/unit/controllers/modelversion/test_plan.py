"""Plan of a ModelVersion: whether the version may serve, and why not."""

from dataclasses import dataclass

import pytest

from modelops.api.modelversion import ModelVersion, ModelVersionStatus
from modelops.controllers.modelversion.observe import Observation
from modelops.controllers.modelversion.plan import plan
from support.builders.common import NOW, digest, settings
from support.builders.modelversions import version
from support.builders.plans import condition_of

STORE = settings().store
GATE = {"metric": "accuracy", "min": 0.8}
APPROVED = {"modelops.dev/approve": digest("a"), "modelops.dev/approved-by": "ada"}
MISTAKEN = {"modelops.dev/approve": digest("c")}
BEFORE = {"approval": {"state": "Approved", "by": "ada", "at": "2026-11-01T09:00:00Z", "digest": digest("a")}}


@dataclass(frozen=True)
class Case:
    """A version, and its conditions. `gates` and `approved` are the statuses of GatesPassed and Approved."""

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
        "a version without gates and approval may serve",
        version(),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
    Case(
        "a version whose gates pass may serve",
        version(gates=[GATE], metrics={"accuracy": 0.9}),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
    Case(
        "a gate that fails is Stalled, and shows value and bound",
        version(gates=[GATE], metrics={"accuracy": 0.79}),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="NotRequired",
        message='metric "accuracy" is 0.79 and must be at least 0.8',
    ),
    Case(
        "every failed gate is named",
        version(gates=[GATE, {"metric": "f1", "min": 0.5}], metrics={"accuracy": 0.1}),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="NotRequired",
        message='must be at least 0.8; metric "f1" is missing',
    ),
    Case(
        "a missing approval is waited for, and the message has the command that approves",
        version(gates=[GATE], metrics={"accuracy": 0.9}, approval="Manual"),
        "AwaitingApproval",
        "Reconciling",
        gates="True",
        approved="False",
        state="Pending",
        message=f"modelops.dev/approve={digest('a')} modelops.dev/approved-by=",
    ),
    Case(
        "a version whose digest a person approved may serve",
        version(approval="Manual", annotations=APPROVED),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="Approved",
    ),
    Case(
        "an approval of another digest is Stalled",
        version(approval="Manual", annotations=MISTAKEN),
        "ApprovalMismatch",
        "Stalled",
        gates="True",
        approved="False",
        state="Refused",
        message=digest("c"),
    ),
    Case(
        "an approval does not overrule a gate",
        version(gates=[GATE], approval="Manual", annotations=APPROVED),
        "GateFailed",
        "Stalled",
        gates="False",
        approved="True",
        state="Approved",
    ),
    Case(
        "an approval whose annotation is removed is withdrawn",
        version(approval="Manual", status=BEFORE),
        "AwaitingApproval",
        "Reconciling",
        gates="True",
        approved="False",
        state="Pending",
    ),
    Case(
        "an approval annotation has no effect where approval is Automatic",
        version(annotations=MISTAKEN),
        "MayServe",
        "Ready",
        gates="True",
        approved="True",
        state="NotRequired",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case: Case) -> None:
    """Each row's name is the promise that the row protects."""
    decided = plan(Observation(case.given, STORE, (), NOW))
    conditions = {condition.type: condition for condition in decided.conditions}
    assert conditions["Ready"].reason == case.reason
    assert conditions["Ready"].status == ("True" if case.condition == "Ready" else "False")
    assert set(conditions) == {"Ready", case.condition, "GatesPassed", "Approved"}
    assert (conditions["GatesPassed"].status, conditions["Approved"].status) == (case.gates, case.approved)
    assert case.message in conditions["Ready"].message
    assert _status(case.given).approval is not None
    assert _status(case.given).approval.state == case.state  # type: ignore[union-attr]
    assert decided.apply == ()


def test_an_approval_keeps_its_time() -> None:
    """The time of an approval is evidence: a later reconcile must not change the time."""
    approval = _status(version(approval="Manual", annotations=APPROVED, status=BEFORE)).approval
    assert approval is not None
    assert (approval.by, approval.at, approval.digest) == ("ada", "2026-11-01T09:00:00Z", digest("a"))


def test_a_new_approval_has_its_time_and_its_person() -> None:
    """An audit asks who approved a version, and when."""
    approval = _status(version(approval="Manual", annotations=APPROVED)).approval
    assert approval is not None
    assert (approval.by, approval.at) == ("ada", "2026-11-05T12:00:00Z")


def test_the_status_names_the_services_that_serve_the_version() -> None:
    """A person finds the services of a version without a search."""
    status = plan(Observation(version(), STORE, ("blue", "green"), NOW)).status
    assert isinstance(status, ModelVersionStatus)
    assert status.served_by == ["blue", "green"]


def _status(given: ModelVersion) -> ModelVersionStatus:
    status = plan(Observation(given, STORE, (), NOW)).status
    assert isinstance(status, ModelVersionStatus)
    return status


@pytest.mark.parametrize(
    ("format_", "runs_code"),
    [("sklearn", True), ("custom", True), ("skops", False), ("xgboost", False), ("lightgbm", False), ("onnx", False)],
)
def test_the_status_says_whether_loading_runs_code(format_: str, runs_code: bool) -> None:
    """A pickle is a program of whoever published the model."""
    status = plan(Observation(version(format_=format_), STORE, (), NOW)).status
    assert isinstance(status, ModelVersionStatus)
    assert status.runs_code_on_load is runs_code


def test_an_artifact_outside_the_namespaces_prefix_may_not_serve() -> None:
    """With the store's credentials a Pod could read another namespace's bucket: the message has both remedies."""
    given = version()
    elsewhere = given.spec.artifact.model_copy(update={"uri": "s3://store/ml/team-b/models/a/"})
    given = given.model_copy(update={"spec": given.spec.model_copy(update={"artifact": elsewhere})})
    decided = plan(Observation(given, STORE, (), NOW))
    ready = condition_of(decided, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ArtifactNotAllowed")
    assert "s3://store/ml/team-b/models/a/ is outside s3://store/ml/team-a/" in ready.message
    assert "store.importPrefixes" in ready.message
    allowing = STORE.model_copy(update={"import_prefixes": ["s3://store/ml/team-b/"]})
    assert condition_of(plan(Observation(given, allowing, (), NOW)), "Stalled") is None
