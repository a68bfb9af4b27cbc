"""Completed part and estimated end of a training, from any report, and never an error."""

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
    """A report, and the completed ratio and end that it gives. The report began at 12:00 and was updated at 12:10."""

    name: str
    report: ProgressReport
    ratio: float | None
    end: str | None


@pytest.mark.parametrize(
    "case",
    [
        Case("half of the steps in ten minutes leaves ten minutes", report(), ratio=0.5, end="12:20"),
        Case("steps before the first report do not count for the pace", report(first=40), ratio=0.5, end="13:00"),
        Case("without a total there is neither ratio nor end", report(total=None), ratio=None, end=None),
        Case("a single step has no pace", report(first=50), ratio=0.5, end=None),
        Case(
            "steps read at the same time have no pace",
            report(started_at="2026-03-01T12:10:00Z"),
            ratio=0.5,
            end=None,
        ),
        Case("a completed training has no estimated end", report(last=100), ratio=1.0, end=None),
        Case("a step beyond the total counts as completed", report(last=200), ratio=1.0, end=None),
        Case("a report without a step has neither ratio nor end", ProgressReport(), ratio=None, end=None),
        Case("a time that cannot be parsed gives no end", report(updated_at="soon"), ratio=0.5, end=None),
        Case("a time without a zone gives no end", report(updated_at="2026-03-01T12:10:00"), ratio=0.5, end=None),
        Case("an end beyond the year 9999 is not estimated", report(last=1, total=2**53), ratio=2**-53, end=None),
    ],
    ids=lambda case: case.name,
)
def test_ratio_and_end(case: Case) -> None:
    """A run shows an estimated end only where the report has a pace."""
    assert completed_ratio(case.report) == case.ratio
    end = estimated_end(case.report)
    assert end == (datetime.fromisoformat(f"2026-03-01T{case.end}:00Z") if case.end else None)


TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.integers(0, 2**53), st.integers(0, 2**53), st.integers(1, 2**53), TIMES, TIMES)
def test_no_report_raises(first: int, last: int, total: int, started: datetime, updated: datetime) -> None:
    """A trainer can write anything: an error here would stop all other work on the run."""
    written = report(first, last, total, started_at=started.isoformat(), updated_at=updated.isoformat())
    end, ratio = estimated_end(written), completed_ratio(written)
    assert ratio is not None
    assert 0 <= ratio <= 1
    assert end is None or end > updated
