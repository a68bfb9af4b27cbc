"""Reruns: new data with debounce and minInterval, a schedule, and a run under way."""

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
from support.builders.plans import deleted, names, reason
from support.controllers.run_observations import SHORTLY, job_name, observe, pinned, running

FOLLOWS: Body = {"rerunOn": ["DatasetChange"]}
STARTED_AGO = timedelta(hours=1)
"""Time since the start of the last run, in the status that `pinned` builds."""
NOON = {"schedule": "0 12 * * *"}
"""NOW is noon: a time of the schedule has just come."""


def changed(seconds_ago: int, **rerun: Any) -> Observation:
    """Observe a run that has succeeded, whose Dataset got a new snapshot so long ago."""
    spec = {**FOLLOWS, "rerun": rerun}
    return observe(data="b", created=ago(seconds=seconds_ago), status=pinned("a", "Succeeded", **spec), **spec)


def in_flight(policy: str) -> Observation:
    """Observe a run under way, whose Dataset has a new snapshot."""
    spec = {**FOLLOWS, "rerun": {"inFlight": policy}}
    return observe(data="b", status=pinned("a", **spec), jobs=(running(job_name("a", **spec)),), **spec)


def scheduled(handled: str) -> Observation:
    """Observe a run with a schedule that has succeeded, whose Dataset has a new snapshot. `handled`: its last time."""
    status = pinned("a", "Succeeded", rerun=NOON) | {"scheduledAt": handled}
    return observe(data="b", status=status, rerun=NOON)


@dataclass(frozen=True)
class RerunCase:
    """One row: its name is the promise, as a sentence of the manual."""

    name: str
    given: Observation
    ready: str
    new_job: bool = False
    """Whether a Job for new inputs is applied."""
    deletes: list[str] = field(default_factory=list)
    requeue_after: timedelta | None = None
    """None: not asserted."""


CASES = [
    RerunCase(
        "new data is trained on at once",
        changed(seconds_ago=1),
        ready="False JobCreated",
        new_job=True,
    ),
    RerunCase(
        "with debounce new data is not trained on before it has been current for so long",
        changed(seconds_ago=10, debounce="30s"),
        ready="True EndedBefore",
        requeue_after=timedelta(seconds=30) - timedelta(seconds=10),
    ),
    RerunCase(
        "with debounce new data is trained on once it has been current for so long",
        changed(seconds_ago=30, debounce="30s"),
        ready="False JobCreated",
        new_job=True,
    ),
    RerunCase(
        "with minInterval new data is not trained on before that time since the last start",
        changed(seconds_ago=1, minInterval="90m"),
        ready="True EndedBefore",
        requeue_after=timedelta(minutes=90) - STARTED_AGO,
    ),
    RerunCase(
        "with minInterval new data is trained on once that time since the last start is over",
        changed(seconds_ago=1, minInterval="1h"),
        ready="False JobCreated",
        new_job=True,
    ),
    RerunCase(
        "with inFlight Finish a run under way ends before new data is trained on",
        in_flight("Finish"),
        ready="False Training",
    ),
    RerunCase(
        "with inFlight Replace the Job under way is deleted before the next one is created",
        in_flight("Replace"),
        ready="False Superseded",
        deletes=[job_name("a", **FOLLOWS, rerun={"inFlight": "Replace"})],
        requeue_after=SHORTLY,
    ),
    RerunCase(
        "at a time of the schedule new data is trained on",
        scheduled(handled=ago(days=1)),
        ready="False JobCreated",
        new_job=True,
    ),
    RerunCase(
        "between two times of the schedule new data is not trained on",
        scheduled(handled=ago()),
        ready="True EndedBefore",
        requeue_after=timedelta(hours=24),
    ),
    RerunCase(
        "at a time of the schedule a run under way ends first",
        observe(data="b", status=pinned("a", rerun=NOON), jobs=(running(job_name("a", rerun=NOON)),), rerun=NOON),
        ready="False Training",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rerun(case: RerunCase) -> None:
    """Each row's name is the promise that it protects."""
    decided = plan(case.given)
    assert reason(decided) == case.ready
    assert len([name for name in names(decided.apply) if name.startswith("Job ")]) == case.new_job
    assert deleted(decided) == case.deletes
    if case.requeue_after is not None:
        assert decided.requeue_after == case.requeue_after


def test_a_scheduled_time_without_new_inputs_trains_nothing() -> None:
    """The time is kept in the status as handled."""
    seen = observe(data="a", status=pinned("a", "Succeeded", rerun=NOON) | {"scheduledAt": ago(days=1)}, rerun=NOON)
    done = plan(seen)
    assert reason(done) == "True EndedBefore"
    assert isinstance(done.status, TrainingRunStatus)
    assert done.status.scheduled_at == ago()


def test_with_cache_ignore_every_scheduled_time_trains_with_an_input_key_of_its_own() -> None:
    """A user can train each night on the same data."""
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
def test_an_invalid_schedule_or_time_zone_stalls_the_run(rerun: Body, words: str) -> None:
    """Admission cannot check it: the run names the field, and gives an example."""
    with pytest.raises(StalledError, match=words) as error:
        observe(rerun=rerun)
    assert error.value.reason == "InvalidSchedule"


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.sampled_from(["0 3 * * *", "*/7 1-3 * 2 1"]))
def test_no_time_of_a_schedule_is_missed_or_counted_twice(now: datetime, expression: str) -> None:
    """No time lies between the last time up to now and the first one after, also in a zone with summer time."""
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
    """An operator that did not run for a week starts one run, not seven."""
    week = NOW - timedelta(days=7)
    assert last_due("0 12 * * *", "UTC", week, NOW) == NOW
    assert last_due("0 12 * * *", "UTC", NOW, NOW + timedelta(hours=23)) is None
