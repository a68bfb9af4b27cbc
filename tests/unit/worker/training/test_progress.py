"""From all lines to one small report: the first and the last step are in it, and those between are spread evenly."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint
from modelops.worker.training.progress import MOST_POINTS, Progress
from modelops.worker.training.step_metrics import Line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def progress(*lines: Line) -> Progress:
    made = Progress()
    for number, line in enumerate(lines):
        made.add(line, NOW + timedelta(seconds=number))
    return made


@given(st.integers(1, 3000))
def test_points_are_few_evenly_spread_and_of_the_whole_run(count: int) -> None:
    """However long a run is, its curve has a bounded size, begins at its first step and ends at its last."""
    report = progress(*(Line(step, None, {"loss": 1 / (step + 1)}) for step in range(count))).report()
    steps = [point.step for point in report.points]
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert len(steps) <= MOST_POINTS
    assert len(steps) >= min(count, MOST_POINTS // 2)
    strides = {after - before for before, after in pairwise(steps[:-1])}
    assert len(strides) <= 1
    assert all(point.metrics == {"loss": 1 / (point.step + 1)} for point in report.points)
    assert report.last == report.points[-1]


@given(st.integers(1, 1000), st.integers(1, 100))
def test_a_metric_that_is_rare_is_not_thinned_away(count: int, every: int) -> None:
    """What is measured every few hundred steps, such as an evaluation's loss, is what a sweep goes by."""
    made = Progress()
    last = None
    for number in range(count):
        metrics = {"loss": 1.0} | ({"eval": float(number)} if number % every == 0 else {})
        last = metrics.get("eval", last)
        made.add(Line(number, None, metrics), NOW)
    shown = [point.metrics["eval"] for point in made.report().points if "eval" in point.metrics]
    assert shown[0] == 0
    assert shown[-1] == last


def test_lines_of_one_step_are_one_point() -> None:
    """Trainers that write training and evaluation on lines of their own show both."""
    report = progress(Line(1, 10, {"loss": 1}), Line(1, None, {"eval_loss": 2}), Line(1, None, {"loss": 3})).report()
    assert report.last == ProgressPoint(step=1, metrics={"loss": 3, "eval_loss": 2})
    assert report.points == [report.last]
    assert report.total_steps == 10
    assert (report.started_at, report.updated_at) == ("2026-03-01T12:00:00.000+00:00", "2026-03-01T12:00:02.000+00:00")


def test_nothing_yet() -> None:
    """A trainer that writes no metrics.jsonl has no progress, and that is no error."""
    assert progress().report().model_dump(exclude_none=True) == {"points": []}


def test_other_metrics_at_every_step_do_not_add_up() -> None:
    """Names that never come back do not fill the memory: the newest are kept."""
    lines = [Line(step, None, {f"{step}-{number}": 1.0 for number in range(50)}) for step in range(2000)]
    points = progress(*lines).report().points
    assert all(len(point.metrics) == 50 for point in points)
    assert points[-1].metrics.keys() == lines[-1].metrics.keys()
