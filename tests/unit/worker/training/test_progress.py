"""All lines make one small report: it has the first and the last step, and the points between are spread evenly."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint
from modelops.worker.training.progress import MAX_POINTS, Progress
from modelops.worker.training.step_metrics import MetricsLine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def progress(*lines: MetricsLine) -> Progress:
    result = Progress()
    for number, line in enumerate(lines):
        result.add(line, NOW + timedelta(seconds=number))
    return result


@settings(deadline=None)
@given(st.integers(1, 3000))
def test_points_are_few_and_spread_evenly_over_the_whole_run(count: int) -> None:
    """However long a run is, its curve has a bounded size, begins at the first step and ends at the last."""
    report = progress(
        *(MetricsLine(step=step, total_steps=None, metrics={"loss": 1 / (step + 1)}) for step in range(count))
    ).report()
    steps = [point.step for point in report.points]
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert len(steps) <= MAX_POINTS
    assert len(steps) >= min(count, MAX_POINTS // 2)
    strides = {after - before for before, after in pairwise(steps[:-1])}
    assert len(strides) <= 1
    assert all(point.metrics == {"loss": 1 / (point.step + 1)} for point in report.points)
    assert report.last == report.points[-1]


@settings(deadline=None)
@given(st.integers(1, 1000), st.integers(1, 100))
def test_a_rare_metric_stays_in_the_report(count: int, every: int) -> None:
    """A sweep decides by a metric that is often measured rarely, such as the loss of an evaluation."""
    result = Progress()
    last = None
    for number in range(count):
        metrics = {"loss": 1.0} | ({"eval": float(number)} if number % every == 0 else {})
        last = metrics.get("eval", last)
        result.add(MetricsLine(step=number, total_steps=None, metrics=metrics), NOW)
    evaluations = [point.metrics["eval"] for point in result.report().points if "eval" in point.metrics]
    assert evaluations[0] == 0
    assert evaluations[-1] == last


def test_lines_of_one_step_make_one_point() -> None:
    """A trainer that writes training and evaluation on separate lines shows both at that step."""
    report = progress(
        MetricsLine(step=1, total_steps=10, metrics={"loss": 1}),
        MetricsLine(step=1, total_steps=None, metrics={"eval_loss": 2}),
        MetricsLine(step=1, total_steps=None, metrics={"loss": 3}),
    ).report()
    assert report.last == ProgressPoint(step=1, metrics={"loss": 3, "eval_loss": 2})
    assert report.points == [report.last]
    assert report.total_steps == 10
    assert (report.started_at, report.updated_at) == ("2026-03-01T12:00:00.000+00:00", "2026-03-01T12:00:02.000+00:00")


def test_a_trainer_without_metrics_has_an_empty_report() -> None:
    """A trainer need not write metrics.jsonl; without that file there is no progress, and no error."""
    assert progress().report().model_dump(exclude_none=True) == {"points": [], "checkpoints": []}


def test_metrics_with_other_names_at_every_step_do_not_accumulate() -> None:
    """Names that never appear again do not fill the memory: the newest 50 stay."""
    lines = [
        MetricsLine(step=step, total_steps=None, metrics={f"{step}-{number}": 1.0 for number in range(50)})
        for step in range(2000)
    ]
    points = progress(*lines).report().points
    assert all(len(point.metrics) == 50 for point in points)
    assert points[-1].metrics.keys() == lines[-1].metrics.keys()
