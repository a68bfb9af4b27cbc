"""How far and how fast: by the trainer's own words, and never an error, whatever they are."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.eta import completed_ratio, estimated_end
from modelops.api.contract.reports import ProgressPoint, ProgressReport


def report(first: int = 0, last: int = 50, total: int | None = 100, **more: str | None) -> ProgressReport:
    times = {"started_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:10:00Z"} | more
    points = [ProgressPoint(step=first), ProgressPoint(step=last)]
    return ProgressReport(last=points[-1], points=points, total_steps=total, **times)


class Case(NamedTuple):
    """A report and what follows."""

    name: str
    report: ProgressReport
    completed_ratio: float | None
    end: str | None


@pytest.mark.parametrize(
    "case",
    [
        Case("half in ten minutes takes ten more", report(), 0.5, "12:20"),
        Case("steps before a checkpoint do not count", report(first=40), 0.5, "13:00"),
        Case("without a total nobody knows", report(total=None), None, None),
        Case("one line has no pace", report(first=50), 0.5, None),
        Case("lines seen at once have none either", report(started_at="2026-03-01T12:10:00Z"), 0.5, None),
        Case("what is done does not end", report(last=100), 1.0, None),
        Case("more than all is all", report(last=200), 1.0, None),
        Case("no line", ProgressReport(), None, None),
        Case("no time that can be read", report(updated_at="soon"), 0.5, None),
        Case("a time of no zone", report(updated_at="2026-03-01T12:10:00"), 0.5, None),
        Case("after the end of all calendars", report(last=1, total=2**53), 2**-53, None),
    ],
    ids=lambda case: case.name,
)
def test_pace(case: Case) -> None:
    """The time of a run's end is told only where it can be."""
    assert completed_ratio(case.report) == case.ratio
    end = estimated_end(case.report)
    assert end == (datetime.fromisoformat(f"2026-03-01T{case.end}:00Z") if case.end else None)


@given(
    st.integers(0, 2**53), st.integers(0, 2**53), st.integers(1, 2**53), st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip
def test_no_report_raises(first: int, last: int, total: int, began: datetime, told: datetime) -> None:
    """A trainer's user can write anything: an error here would keep the operator from all else of the run."""
    given_ = report(first, last, total, started_at=began.isoformat(), updated_at=told.isoformat())
    end, done = estimated_end(given_), completed_ratio(given_)
    assert done is not None
    assert 0 <= done <= 1
    assert end is None or end > told
