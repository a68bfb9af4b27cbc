"""Conditions of the data: Valid, Reproducible and Fresh."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from modelops.controllers.dataset.checks_digest import checks_of
from modelops.controllers.dataset.plan import plan
from modelops.machinery.plan import Plan
from support.builders.common import ago
from support.builders.datasets import dataset, snapshot
from support.builders.plans import condition_of, reason
from support.controllers.dataset_cases import GOOD, observe, probe, probe_result

DAY = {"freshWithin": "24h"}
WARNS = {"rows": {"min": 100}, "onViolation": "Warn"}
FAILED = {"value": 30, "outcome": "Failed"}
HOUR = 3600


@dataclass(frozen=True)
class Fresh:
    """A snapshot whose newest object has an age, and the condition Fresh of a plan that is made some time later."""

    name: str
    checks: list[dict[str, Any]]
    hours_old: float | None
    expected: str | None
    requeue_after: float
    """Seconds until the next reconcile."""
    seconds_later: float = 0


def test_a_snapshot_of_an_unversioned_bucket_is_not_reproducible() -> None:
    """Objects that can be overwritten for good must not be called reproducible, from the first probe on."""
    done = plan(observe(seen=probe_result(probe("a", versioned=False)), status=GOOD))
    assert reason(done, "Reproducible") == "False BucketNotVersioned"


def taken_with(checks: list[dict[str, Any]], /, **more: Any) -> dict[str, Any]:
    """Build a status with a snapshot that was taken with these checks."""
    return {"snapshot": snapshot("a", checkedWith=checks_of(dataset(checks=checks).spec), **more)}


def probed(checks: list[dict[str, Any]], seconds_later: float = 0, **status: Any) -> Plan:
    """Return the plan after a probe that finds the data of the snapshot; an hour is the interval."""
    later = timedelta(seconds=seconds_later)
    return plan(observe(seen=probe_result(probe("a")), status=status, checks=checks, now=later, interval="1h"))


def test_a_warning_lasts_as_long_as_its_snapshot() -> None:
    """What is wrong with the data must be visible for as long as models are trained on it."""
    done = probed([WARNS], **taken_with([WARNS], checks=[FAILED]))
    assert reason(done, "Valid") == "False CheckWarned"
    assert reason(done) == "True SnapshotCurrent"


def test_violations_and_warnings_are_in_one_message() -> None:
    """Violations of the schema come first, and hide no warning."""
    both = taken_with([WARNS], checks=[FAILED], violations=2, examples=["first"])
    valid = condition_of(probed([WARNS], **both), "Valid")
    assert valid is not None
    assert valid.reason == "SchemaViolated"
    assert valid.message.startswith("2 violations: first; ")
    assert "30" in valid.message


def test_a_warning_of_other_checks_than_the_specs_is_only_counted() -> None:
    """Results belong to checks by their place in spec.checks: after a change of the spec the place means nothing."""
    valid = condition_of(probed([DAY, WARNS], **taken_with([WARNS], checks=[FAILED])), "Valid")
    assert valid is not None
    assert (valid.reason, valid.message) == ("CheckWarned", "1/1 checks failed when the snapshot was taken")


@pytest.mark.parametrize(
    "case",
    [
        Fresh("no check limits the age", [], hours_old=48, expected=None, requeue_after=HOUR - 1),
        Fresh("the age of the data is unknown", [DAY], hours_old=None, expected=None, requeue_after=HOUR - 1),
        Fresh(
            "data within its limit is reconciled when it becomes stale",
            [DAY],
            hours_old=23.5,
            expected="True Fresh",
            requeue_after=HOUR / 2,
        ),
        Fresh(
            "data is stale from the second at which it has the age of the limit",
            [DAY],
            hours_old=23.5,
            seconds_later=HOUR / 2,
            expected="False Stale",
            requeue_after=HOUR / 2 - 1,
        ),
        Fresh(
            "the shortest of several limits counts",
            [DAY, {"freshWithin": "1h"}],
            hours_old=2,
            expected="False Stale",
            requeue_after=HOUR - 1,
        ),
        Fresh(
            "a probe that is due before the data becomes stale is not delayed",
            [DAY],
            hours_old=1,
            expected="True Fresh",
            requeue_after=HOUR - 1,
        ),
    ],
    ids=lambda case: case.name,
)
def test_fresh(case: Fresh) -> None:
    """Stale is shown when it begins, without a reconcile every second until then, and the Dataset stays Ready."""
    written = ago(hours=case.hours_old) if case.hours_old is not None else None
    done = probed(case.checks, case.seconds_later, **taken_with(case.checks, lastModified=written))
    assert reason(done, "Fresh") == case.expected
    assert reason(done) == "True SnapshotCurrent"
    assert done.requeue_after == timedelta(seconds=case.requeue_after)


def test_stale_is_one_event_and_one_message() -> None:
    """An age in the message would write the status, and a repeated Event would be noise, with every reconcile."""
    status = taken_with([DAY], lastModified=ago(hours=25))
    first = probed([DAY], **status)
    assert [event.reason for event in first.events] == ["Stale"]
    stale = condition_of(first, "Fresh")
    assert stale is not None
    assert ago(hours=25) in stale.message
    assert "24h" in stale.message
    written = {
        "type": "Fresh",
        "status": "False",
        "reason": "Stale",
        "message": stale.message,
        "lastTransitionTime": ago(),
    }
    again = probed([DAY], 60, **status, conditions=[written])
    assert again.events == ()
    assert again.conditions == first.conditions


def test_a_suspended_dataset_becomes_stale() -> None:
    """Models are trained on data of that age, whether the Dataset is suspended or not."""
    checks = [DAY]
    done = plan(observe(status=taken_with(checks, lastModified=ago(hours=23)), checks=checks, suspend=True))
    assert reason(done, "Fresh") == "True Fresh"
    assert done.requeue_after == timedelta(hours=1)
