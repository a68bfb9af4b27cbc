"""When a run takes newer inputs: at new data, with patience; at its schedule; and what becomes of a run in flight."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.trainingrun.inputs.schedule import last_due, next_due
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.controller import StalledError
from modelops.machinery.resources import Body
from support.builders.common import NOW, ago
from support.builders.datasets import dataset, snapshot
from support.builders.plans import deleted, names, reason
from support.run_observations import job_of, observe, pinned, running

FOLLOWS: Body = {"rerunOn": ["DatasetChange"]}
NOON = {"schedule": "0 12 * * *"}
"""NOW is noon."""


def changed(since: str, **rerun: Any) -> Observation:
    """A run that has succeeded, whose Dataset has had a new snapshot since then."""
    spec = {**FOLLOWS, "rerun": rerun}
    data = dataset(status={"snapshot": snapshot("b", createdAt=since)})
    return observe(data=data, status=pinned("a", "Succeeded", **spec), **spec)


def in_flight(how: str) -> Observation:
    spec = {**FOLLOWS, "rerun": {"inFlight": how}}
    return observe(letter="b", status=pinned("a", **spec), jobs=(running(job_of("a", **spec)),), **spec)


def scheduled(outcome: str | None = "Succeeded", acted_on: str = ago(days=1), **spec: Any) -> Observation:
    spec = {"rerun": NOON, **spec}
    status = pinned("a", outcome, **spec) | {"scheduledAt": acted_on}
    return observe(letter="b", status=status, **spec)


@dataclass(frozen=True)
class Case:
    name: str
    given: Observation
    ready: str
    applies: int = 0
    deletes: list[str] = field(default_factory=list)
    requeue_after: timedelta | None = None


CASES = [
    Case("new data is trained on at once", changed(ago(seconds=1)), "False JobCreated", 1),
    Case(
        "with debounce it must have been current for so long",
        changed(ago(seconds=10), debounce="30s"),
        "True Because",
        requeue_after=timedelta(seconds=20),
    ),
    Case("and then is trained on", changed(ago(seconds=30), debounce="30s"), "False JobCreated", 1),
    Case(
        "runs for new data start no faster than minInterval",
        changed(ago(seconds=1), minInterval="90m"),
        "True Because",
        requeue_after=timedelta(minutes=30),
    ),
    Case("after it they do", changed(ago(seconds=1), minInterval="1h"), "False JobCreated", 1),
    Case("a run in flight ends first", in_flight("Finish"), "False Training"),
    Case(
        "with Replace it is stopped, and the next one starts when it is gone",
        in_flight("Replace"),
        "False Superseded",
        deletes=[job_of("a", **FOLLOWS, rerun={"inFlight": "Replace"})],
        requeue_after=timedelta(seconds=2),
    ),
    Case("at its time a schedule takes new data", scheduled(), "False JobCreated", 1),
    Case(
        "between its times it does not",
        scheduled(acted_on=ago()),
        "True Because",
        requeue_after=timedelta(hours=24),
    ),
    Case(
        "a schedule waits for a run in flight as well",
        observe(letter="b", status=pinned("a", rerun=NOON), jobs=(running(job_of("a", rerun=NOON)),), rerun=NOON),
        "False Training",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_renewal(case: Case) -> None:
    """Each case's name is the promise it protects."""
    done = plan(case.given)
    assert reason(done) == case.ready
    assert len([name for name in names(done.apply) if name.startswith("Job ")]) == case.applies
    assert deleted(done) == case.deletes
    if case.requeue_after is not None:
        assert done.requeue_after == case.requeue_after


def test_a_schedule_with_nothing_new_trains_nothing() -> None:
    """A pipeline runs in full only when data or code changed; that its time was acted on is remembered."""
    seen = observe(letter="a", status=pinned("a", "Succeeded", rerun=NOON) | {"scheduledAt": ago(days=1)}, rerun=NOON)
    done = plan(seen)
    assert reason(done) == "True Because"
    assert isinstance(done.status, TrainingRunStatus)
    assert done.status.scheduled_at == ago()


def test_with_cache_ignore_every_time_is_a_training_of_its_own() -> None:
    """Who wants to train each night on the same data says so, and gets a key for each night."""
    spec: Body = {"rerun": NOON, "cache": {"mode": "Ignore"}}
    first = plan(observe(status=pinned("a", "Succeeded", **spec) | {"scheduledAt": ago(days=1)}, **spec))
    assert reason(first) == "False JobCreated"
    assert isinstance(first.status, TrainingRunStatus)
    assert first.status.cache is not None
    assert first.status.cache.reason == f"occurrence: none → {ago()}"
    same = plan(observe(status=first.status.wire(), **spec))
    assert same.status == first.status


@pytest.mark.parametrize(
    ("rerun", "words"),
    [
        ({"schedule": "61 * * * *"}, "spec.rerun.schedule"),
        ({"schedule": "0 0 0 3 * *"}, "five fields"),
        ({"schedule": "0 3 * * *", "timeZone": "Mars/Olympus"}, "spec.rerun.timeZone"),
    ],
)
def test_a_schedule_that_is_none_is_told(rerun: Body, words: str) -> None:
    """Admission cannot tell it: the run says which field is wrong, and what it should look like."""
    with pytest.raises(StalledError, match=words) as told:
        plan(observe(rerun=rerun))
    assert told.value.reason == "InvalidSchedule"


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.sampled_from(["0 3 * * *", "*/7 1-3 * 2 1"]))
def test_no_time_is_lost_or_counted_twice(now: datetime, expression: str) -> None:
    """The last time up to now, and the first one after it, have none between them, in a zone with summer time too."""
    now = now.replace(tzinfo=UTC)
    zone = "Europe/Berlin"
    last = last_due(expression, zone, now - timedelta(days=400), now)
    following = next_due(expression, zone, now)
    assert last is not None
    assert following is not None
    assert last <= now < following
    assert last_due(expression, zone, last, now) is None
    assert next_due(expression, zone, last) == following


def test_only_the_last_missed_time_counts() -> None:
    """An operator that was away for a week starts one run, not seven."""
    week = NOW - timedelta(days=7)
    assert last_due("0 12 * * *", "UTC", week, NOW) == NOW
    assert last_due("0 12 * * *", "UTC", NOW, NOW + timedelta(hours=23)) is None
