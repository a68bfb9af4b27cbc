"""When a source is probed and by whom: often enough to be in time, but each request to S3 costs money."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from modelops.api.annotations import REFRESH
from modelops.api.dataset import Dataset
from modelops.api.durations import parse_duration
from modelops.controllers.dataset.probe_result import ProbeResult, SourceProblem
from modelops.controllers.dataset.schedule import needs_probe_job, next_probe_at, refresh_requested
from modelops.store.listing import ListingSummary, TooManyObjects
from support.builders.common import NOW, ago, digest
from support.builders.datasets import CLAIM, S3, dataset, snapshot

FOUND = ListingSummary(digest("a"), 1, 1, True)
CANDIDATE = {"digest": digest("a"), "objects": 1, "bytes": 1, "since": ago(), "state": "Settling"}
SETTLING = {"candidate": CANDIDATE}
PROBED = {"probedAt": ago(minutes=1), "probedGeneration": 1}
LARGE = {"snapshot": snapshot("a", objects=5, source=S3)}
LARGE_ELSEWHERE = {"snapshot": snapshot("a", objects=5, source={"s3": {"bucket": "other"}})}
FEW: dict[str, Any] = {"probe": {"maxObjects": 2}}
ALWAYS_BY_JOB: dict[str, Any] = {"probe": {"maxObjects": 0}}
ASKED = {REFRESH: "now"}


def result(outcome: ListingSummary | TooManyObjects | SourceProblem = FOUND, minutes_ago: float = 0) -> ProbeResult:
    return ProbeResult(NOW - timedelta(minutes=minutes_ago), "uid", 1, outcome)


def problem(kind: Any) -> ProbeResult:
    return result(SourceProblem(kind, "Reason", "message"))


@dataclass(frozen=True)
class Case:
    """A Dataset and the operator's last probe of its source."""

    name: str
    given: Dataset = field(default_factory=dataset)
    last: ProbeResult | None = None
    job_expected: bool = False
    seconds: float | None = None
    """Seconds until the next probe; negative: seconds since it is due; None: no probe is scheduled."""
    least: str = "0s"
    """Least interval of the chart."""
    by_job: bool = False
    """Whether a Job does the next probe."""


@pytest.mark.parametrize(
    "case",
    [
        Case("the operator probes after the interval", last=result(), seconds=300),
        Case(
            "data that settles before the interval has passed is probed at the end of settle",
            dataset(status=SETTLING),
            result(),
            seconds=30,
        ),
        Case(
            "data that settles for longer than the interval is probed after the interval",
            dataset(status=SETTLING, settle="1h"),
            result(),
            seconds=300,
        ),
        Case("a transient problem is probed again soon", last=problem("Transient"), seconds=30),
        Case(
            "a problem that a person must solve is probed again after the interval",
            last=problem("Stalled"),
            seconds=300,
        ),
        Case(
            "a missing Secret is looked up after the interval if the interval is short",
            dataset(interval="5s"),
            problem("Waiting"),
            seconds=5,
        ),
        Case(
            "a shorter interval than the chart's least one is that one",
            dataset(interval="1s"),
            result(),
            least="1m",
            seconds=60,
        ),
        Case("a longer interval than the chart's least one stays", last=result(), least="1m", seconds=300),
        Case(
            "the chart's least interval holds between two Jobs",
            dataset(status=PROBED, source=CLAIM, interval="1s"),
            least="2m",
            seconds=60,
        ),
        Case("no probe is scheduled while the end of a Job is awaited", last=result(), job_expected=True, seconds=None),
        Case("no probe is scheduled for a suspended Dataset", dataset(suspend=True), seconds=None),
        Case(
            "a claim is probed an interval after the last Job",
            dataset(status=PROBED, source=CLAIM),
            seconds=240,
        ),
        Case(
            "a prefix with maxObjects 0 is probed an interval after the last Job",
            dataset(status=PROBED, **ALWAYS_BY_JOB),
            seconds=240,
        ),
        Case(
            "a large prefix is probed an interval after the last Job",
            dataset(status={**LARGE, **PROBED}, **FEW),
            seconds=240,
        ),
        Case(
            "data that changed under a Job is probed half a minute after that Job",
            dataset(status={**PROBED, **SETTLING}, source=CLAIM, settle="0s"),
            seconds=-30,
        ),
        Case(
            "the operator counts too many objects again an interval after the Job",
            dataset(status=PROBED, **FEW),
            result(TooManyObjects(3), minutes_ago=2),
            seconds=240,
        ),
    ],
    ids=lambda case: case.name,
)
def test_next_probe(case: Case) -> None:
    """The interval is five minutes and settle is thirty seconds; the last Job ended a minute ago."""
    least = parse_duration(case.least)
    due = next_probe_at(case.given, case.last, job_expected=case.job_expected, least_interval=least)
    assert due == (NOW + timedelta(seconds=case.seconds) if case.seconds is not None else None)


@pytest.mark.parametrize(
    "case",
    [
        Case("after a start, or a change of the spec, of a source that the operator lists"),
        Case("before the first probe of a claim", dataset(source=CLAIM)),
        Case("after a change of the spec of a claim", dataset(status=PROBED, generation=2, source=CLAIM)),
        Case("after the operator has found too many objects", dataset(status=PROBED, **FEW), result(TooManyObjects(3))),
        Case("after a requested refresh", dataset(annotations=ASKED), result()),
        Case("after a requested refresh of a claim", dataset(status=PROBED, source=CLAIM, annotations=ASKED)),
    ],
    ids=lambda case: case.name,
)
def test_a_probe_is_due_at_once(case: Case) -> None:
    """Nothing is known that would allow the operator to wait."""
    due = next_probe_at(case.given, case.last, job_expected=False)
    assert due is not None
    assert due < NOW - timedelta(days=1)


@pytest.mark.parametrize(
    "case",
    [
        Case("a source of unknown size is counted by the operator", dataset(**FEW), by_job=False),
        Case("a claim is always probed by a Job", dataset(source=CLAIM), by_job=True),
        Case(
            "a bucket without a Secret is always probed by a Job",
            dataset(source={"s3": {"bucket": "data", "prefix": "mortgage/"}}),
            by_job=True,
        ),
        Case("a prefix with maxObjects 0 is always probed by a Job", dataset(**ALWAYS_BY_JOB), by_job=True),
        Case("a prefix that is known to be large is not counted", dataset(status=LARGE, **FEW), by_job=True),
        Case(
            "a prefix with exactly maxObjects objects is listed by the operator",
            dataset(status=LARGE, probe={"maxObjects": 5}),
            by_job=False,
        ),
        Case(
            "the size of another prefix does not matter",
            dataset(status=LARGE_ELSEWHERE, **FEW),
            by_job=False,
        ),
        Case("too many objects need a Job", dataset(**FEW), result(TooManyObjects(3)), by_job=True),
        Case(
            "after that Job the operator counts again",
            dataset(status=PROBED, **FEW),
            result(TooManyObjects(3), minutes_ago=2),
            by_job=False,
        ),
    ],
    ids=lambda case: case.name,
)
def test_needs_probe_job(case: Case) -> None:
    """The memory and time of the operator are bounded, whatever source a spec names."""
    assert needs_probe_job(case.given, case.last) == case.by_job


@pytest.mark.parametrize(
    ("annotation", "handled", "expected"),
    [
        pytest.param("b", "a", "b", id="a new value requests a probe"),
        pytest.param("a", "a", None, id="the value that was acted on does not"),
        pytest.param("", "a", None, id="an empty value does not"),
        pytest.param("x" * 2000, "x" * 1024, None, id="a value that is cut to fit the status is acted on once"),
    ],
)
def test_refresh_requested(annotation: str, handled: str, expected: str | None) -> None:
    """A refresh is acted on once, however long its annotation stays."""
    given = dataset(annotations={REFRESH: annotation}, status={"lastHandledRefresh": handled})
    assert refresh_requested(given) == expected
