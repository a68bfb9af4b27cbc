"""Progress of the trainer in the status: it shows how far the training is, and causes no needless writes."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint, ProgressReport
from modelops.api.trainingrun_status import Progress, TracePoint
from modelops.controllers.trainingrun.attempt.trainer_progress import latest_progress, progress_status
from support.builders.common import NOW, ago


def report(
    step: int = 50, total: int | None = 100, minutes: float = 10, metrics: dict[str, float] | None = None
) -> ProgressReport:
    """Build the report of a trainer that made `step` steps in so many minutes, up to now."""
    last = ProgressPoint(step=step, metrics=metrics or {"loss": 0.5})
    return ProgressReport(
        last=last,
        total_steps=total,
        started_at=ago(minutes=minutes),
        updated_at=ago(),
        points=[ProgressPoint(step=0, metrics={"loss": 1.0}), ProgressPoint(step=9), last],
    )


def test_a_report_becomes_progress_in_whole_percent_and_minutes() -> None:
    """Half of the steps took ten minutes: the end is estimated in ten minutes."""
    assert progress_status(report(), NOW) == Progress(
        step=50, total_steps=100, percent=50, ends_at="2026-11-05T12:10:00Z", metrics={"loss": 0.5}
    )


def test_estimates_within_the_same_minute_give_the_same_status() -> None:
    """The estimate moves with every report; the status must not."""
    shown = [progress_status(report(minutes=10 + seconds / 60), NOW) for seconds in (1, 20, 40, 60)]
    assert {progress.ends_at for progress in shown if progress is not None} == {"2026-11-05T12:11:00Z"}
    assert None not in shown


class ProgressCase(NamedTuple):
    """One row: a report, and one field of the progress."""

    name: str
    report: ProgressReport
    field: str
    expected: object


PAST_ITS_END = report().model_copy(update={"started_at": ago(hours=3), "updated_at": ago(hours=2)})
"""Report of two hours ago, whose training should have taken two hours."""
THIRTY: dict[str, float] = {f"m{number:02}": number for number in range(30)}
CASES = [
    ProgressCase("without a total there is no percentage", report(total=None), field="percent", expected=None),
    ProgressCase("without a total there is no end", report(total=None), field="ends_at", expected=None),
    ProgressCase("999 of 1000 steps are 99 percent", report(step=999, total=1000), field="percent", expected=99),
    ProgressCase("more steps than the total are 100 percent", report(step=101), field="percent", expected=100),
    ProgressCase("a trainer beyond its estimated end has no end", PAST_ITS_END, field="ends_at", expected=None),
    ProgressCase(
        "the first twenty metrics are shown",
        report(metrics=THIRTY),
        field="metrics",
        expected={name: THIRTY[name] for name in list(THIRTY)[:20]},
    ),
    ProgressCase(
        "a metric whose name is too long is not shown",
        report(metrics={"x" * 65: 1, "loss": 2}),
        field="metrics",
        expected={"loss": 2},
    ),
    ProgressCase("without an objective there is no trace", report(), field="trace", expected=[]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_progress_shows_what_is_known_or_nothing(case: ProgressCase) -> None:
    """Each row's name is the promise that it protects."""
    progress = progress_status(case.report, NOW)
    assert getattr(progress, case.field) == case.expected


def test_a_trials_progress_has_the_trace_of_its_objective() -> None:
    """Early stopping compares traces. The objective is among the metrics, however many there are."""
    last = {f"m{number}": 0.0 for number in range(30)} | {"loss": 0.5}
    progress = progress_status(report(metrics=last), NOW, "loss")
    assert progress is not None
    assert progress.trace == [TracePoint(step=0, value=1.0), TracePoint(step=50, value=0.5)]
    assert len(progress.metrics) == 20
    assert progress.metrics["loss"] == 0.5


def test_a_trainer_without_metrics_has_no_progress() -> None:
    """A run without metrics.jsonl does not show 0 percent."""
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
def test_any_report_gives_valid_progress(report_: ProgressReport) -> None:
    """A user's code can send any report: it must not keep the operator from reconciling the run."""
    assert progress_status(report_, NOW, "loss") is not None


PROGRESS = Progress(step=1, ends_at=ago(), metrics={"loss": 1})


NEXT = PROGRESS.model_copy(update={"step": 2})
OTHER_METRIC = PROGRESS.model_copy(update={"metrics": {"loss": 2.0}})


@pytest.mark.parametrize(
    ("written", "reported", "expected"),
    [
        (None, PROGRESS, PROGRESS),
        (PROGRESS, None, PROGRESS),
        (PROGRESS, PROGRESS.model_copy(update={"ends_at": None}), PROGRESS),
        (PROGRESS, NEXT, NEXT),
        (PROGRESS, OTHER_METRIC, OTHER_METRIC),
    ],
    ids=[
        "the first report is written",
        "without a report nothing is written",
        "another estimate of the end is not written",
        "another step is written",
        "another metric is written",
    ],
)
def test_only_another_step_or_metric_is_written(
    written: Progress | None, reported: Progress | None, expected: Progress
) -> None:
    """A thousand runs that train must not keep etcd busy with estimates."""
    assert latest_progress(written, reported) is expected
