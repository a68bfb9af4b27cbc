"""The trainer's progress in the status: enough to see how far it is, and no write for nothing."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint, ProgressReport
from modelops.api.trainingrun_status import Progress, TracePoint
from modelops.controllers.trainingrun.attempt.trainer_progress import latest_progress, progress_status
from support.builders.common import NOW, ago


def report(step: int = 50, total: int | None = 100, minutes: float = 10, **metrics: float) -> ProgressReport:
    """Of a trainer that made `step` steps in so many minutes, up to now."""
    last = ProgressPoint(step=step, metrics=metrics or {"loss": 0.5})
    return ProgressReport(
        last=last,
        total_steps=total,
        started_at=ago(minutes=minutes),
        updated_at=ago(),
        points=[ProgressPoint(step=0, metrics={"loss": 1.0}), ProgressPoint(step=9), last],
    )


def test_half_done() -> None:
    """All that a report says, in whole percent and whole minutes."""
    assert progress_status(report(), NOW) == Progress(
        step=50, total_steps=100, percent=50, ends_at="2026-11-05T12:10:00Z", metrics={"loss": 0.5}
    )


def test_the_end_does_not_move_for_seconds() -> None:
    """Reports that guess an end within the same minute give the same status."""
    ends = {progress_status(report(minutes=10 + number / 60), NOW).ends_at for number in (1, 20, 40, 60)}
    assert ends == {"2026-11-05T12:11:00Z"}


class Case(NamedTuple):
    """A report, and one field of what comes of it."""

    name: str
    report: ProgressReport
    field: str
    expected: object


@pytest.mark.parametrize(
    "case",
    [
        Case("without a total there is no percentage", report(total=None), "percent", None),
        Case("without a total there is no end", report(total=None), "ends_at", None),
        Case("99.9 percent are not 100", report(step=999, total=1000), "percent", 99),
        Case("more steps than there should be are 100 percent", report(step=101), "percent", 100),
        Case("a trainer that hangs past its end has none", report().model_copy(
            update={"started_at": ago(hours=3), "updated_at": ago(hours=2)}), "ends_at", None),
        Case("only so many metrics are shown", report(**{f"m{n:02}": n for n in range(30)}), "metrics",
             {f"m{n:02}": n for n in range(20)}),
        Case("a name without end is not shown", report(**{"x" * 65: 1, "loss": 2}), "metrics", {"loss": 2}),
        Case("without an objective there is no trace", report(), "trace", []),
    ],
    ids=lambda case: case.name,
)  # fmt: skip
def test_what_a_report_comes_to(case: Case) -> None:
    """Each part of the status says what is known, or nothing."""
    progress = progress_status(case.report, NOW)
    assert getattr(progress, case.field) == case.expected


def test_a_trial_shows_its_objective() -> None:
    """A sweep goes by the objective over the steps: points that have it, and it is never cut from the metrics."""
    last = {f"m{number}": 0.0 for number in range(30)} | {"loss": 0.5}
    progress = progress_status(report(**last), NOW, "loss")
    assert progress is not None
    assert progress.trace == [TracePoint(step=0, value=1.0), TracePoint(step=50, value=0.5)]
    assert len(progress.metrics) == 20
    assert progress.metrics["loss"] == 0.5


def test_nothing_said_yet() -> None:
    """A trainer that writes no metrics.jsonl shows no progress, rather than one of 0."""
    assert progress_status(ProgressReport(), NOW) is None


moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.text(max_size=30)


@given(
    st.builds(
        ProgressReport,
        last=st.builds(ProgressPoint, step=st.integers(0, 2**53)),
        total_steps=st.none() | st.integers(1, 2**53),
        started_at=st.none() | moments,
        updated_at=st.none() | moments,
        points=st.lists(st.builds(ProgressPoint, step=st.integers(0, 2**53)), max_size=32),
    )
)
def test_no_report_raises(given_: ProgressReport) -> None:
    """What is written beside a user's code cannot keep the operator from a run."""
    assert progress_status(given_, NOW, "loss") is not None


PROGRESS = Progress(step=1, ends_at=ago(), metrics={"loss": 1})


NEXT = PROGRESS.model_copy(update={"step": 2})
OTHER_METRIC = PROGRESS.model_copy(update={"metrics": {"loss": 2.0}})


@pytest.mark.parametrize(
    ("name", "shown", "told", "expected"),
    [
        ("the first is", None, PROGRESS, PROGRESS),
        ("silence is no news", PROGRESS, None, PROGRESS),
        ("another guess of the end is no news", PROGRESS, PROGRESS.model_copy(update={"ends_at": None}), PROGRESS),
        ("another step is", PROGRESS, NEXT, NEXT),
        ("another metric is", PROGRESS, OTHER_METRIC, OTHER_METRIC),
    ],
)
def test_what_is_news(name: str, shown: Progress | None, told: Progress | None, expected: Progress) -> None:
    """A thousand runs that train must not keep etcd busy with guesses."""
    assert latest_progress(shown, told) is expected, name
