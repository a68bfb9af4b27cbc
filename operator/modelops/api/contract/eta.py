"""Completed part of a training, and its estimated end. Pure. No function raises, whatever a report has."""

from datetime import datetime, timedelta

from modelops.api.contract.reports import ProgressReport


def completed_ratio(report: ProgressReport) -> float | None:
    """Return the completed part, from 0 to 1, or None where the trainer does not report its total steps."""
    if report.last is None or not report.total_steps or report.total_steps < 0:
        return None
    return min(max(report.last.step, 0) / report.total_steps, 1.0)


def estimated_end(report: ProgressReport) -> datetime | None:
    """Return the time of the last step, extrapolated from the steps since the first report, or None if unknown.

    Steps before the first report, of a trainer that resumed from a checkpoint, do not count for the pace.
    """
    started, updated = _time(report.started_at), _time(report.updated_at)
    if report.last is None or report.total_steps is None or not report.points or started is None or updated is None:
        return None
    done = report.last.step - report.points[0].step
    left = report.total_steps - report.last.step
    if done <= 0 or left <= 0 or updated <= started:
        return None
    try:
        return updated + timedelta(seconds=(updated - started).total_seconds() / done * left)
    except OverflowError:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
