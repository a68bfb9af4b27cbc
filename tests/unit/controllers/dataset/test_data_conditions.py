"""What is said of the newest data and of the snapshot: whether it is valid, can be had again, and is new enough."""

from datetime import timedelta
from typing import Any

import pytest

from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.dataset.plan import plan
from modelops.machinery.plan import Plan
from support.builders.common import ago
from support.builders.datasets import dataset, snapshot
from support.builders.plans import reason, shown
from support.dataset_cases import GOOD, observe, probe, sighting

DAY = {"freshWithin": "24h"}
WARNS = {"rows": {"min": 100}, "onViolation": "Warn"}
FAILED = {"value": 30, "outcome": "Failed"}


def test_unversioned_says_so() -> None:
    """Honesty: bytes that may be overwritten for good are not called reproducible, from the first probe on."""
    done = plan(observe(seen=sighting(probe("a", versioned=False)), status=GOOD))
    assert reason(done, "Reproducible") == "False BucketNotVersioned"


def taken(by: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A status with a snapshot that was taken with these checks."""
    return {"snapshot": snapshot("a", checkedWith=checks_of(dataset(checks=by).spec), **more)}


def looked(checks: list[dict[str, Any]], seconds_later: float = 0, **status: Any) -> Plan:
    """A look that finds the snapshot, so much later."""
    later = timedelta(seconds=seconds_later)
    return plan(observe(seen=sighting(probe("a")), status=status, checks=checks, now=later, interval="1h"))


def test_a_warning_lasts_as_long_as_its_snapshot() -> None:
    """Not only the moment in which the data was taken tells what is wrong with it."""
    done = looked([WARNS], **taken([WARNS], checks=[FAILED]))
    assert reason(done, "Valid") == "False CheckWarned"
    assert reason(done) == "True SnapshotCurrent"


def test_violations_and_warnings_are_told_together() -> None:
    """What the schema finds comes first, and hides nothing."""
    both = taken([WARNS], checks=[FAILED], violations=2, examples=["first"])
    told = shown(looked([WARNS], **both), "Valid")
    assert told is not None
    assert told.reason == "SchemaViolated"
    assert told.message.startswith("2 violations: first; ")
    assert "30" in told.message


def test_a_warning_by_other_checks_is_not_given_words_it_never_had() -> None:
    """Results are told apart by their place in spec.checks: where the spec has changed, the place means nothing."""
    told = shown(looked([DAY, WARNS], **taken([WARNS], checks=[FAILED])), "Valid")
    assert told is not None
    assert (told.reason, told.message) == ("CheckWarned", "1 of the 1 checks that it was taken with failed")


@pytest.mark.parametrize(
    ("name", "checks", "newest", "seconds_later", "expected", "requeue_after"),
    [
        ("nobody wants to know", [], ago(hours=48), 0, None, 3599),
        ("nobody knows", [DAY], None, 0, None, 3599),
        ("it is new enough until the moment in which it is not", [DAY], ago(hours=23.5), 0, "True Fresh", 1800),
        ("in that moment it is not", [DAY], ago(hours=23.5), 1800, "False Stale", 1799),
        ("the shortest of several counts", [DAY, {"freshWithin": "1h"}], ago(hours=2), 0, "False Stale", 3599),
        ("a look that comes first is not put off", [DAY], ago(hours=1), 0, "True Fresh", 3599),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_fresh(
    name: str,
    checks: list[dict[str, Any]],
    newest: str | None,
    seconds_later: float,
    expected: str | None,
    requeue_after: float,
) -> None:
    """Staleness is told when it begins, without asking the clock in between, and the Dataset stays Ready."""
    done = looked(checks, seconds_later, **taken(checks, lastModified=newest))
    assert reason(done, "Fresh") == expected, name
    assert reason(done) == "True SnapshotCurrent"
    assert done.requeue_after == timedelta(seconds=requeue_after)


def test_staleness_is_told_once_and_always_in_the_same_words() -> None:
    """One Event, and no status write for every second that the data is older."""
    status = taken([DAY], lastModified=ago(hours=25))
    first = looked([DAY], **status)
    assert [event.reason for event in first.events] == ["Stale"]
    stale = shown(first, "Fresh")
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
    again = looked([DAY], 60, **status, conditions=[written])
    assert again.events == ()
    assert again.conditions == first.conditions


def test_a_suspended_dataset_grows_old_as_well() -> None:
    """Suspended or not, models learn from data of that age."""
    checks = [DAY]
    done = plan(observe(status=taken(checks, lastModified=ago(hours=23)), checks=checks, suspend=True))
    assert reason(done, "Fresh") == "True Fresh"
    assert done.requeue_after == timedelta(hours=1)
