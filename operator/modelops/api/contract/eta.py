"""How much of a training is done, and when it will end at its pace so far. Pure, and right whatever a report says."""

from datetime import datetime, timedelta

from modelops.api.contract.reports import ProgressReport


def completed_ratio(report: ProgressReport) -> float | None:
    """How much is done, from 0 to 1; None where the trainer does not say how many steps there will be."""
    if report.last is None or not report.total_steps or report.total_steps < 0:
        return None
    return min(max(report.last.step, 0) / report.total_steps, 1.0)


def estimated_end(report: ProgressReport) -> datetime | None:
    """When the last step will be done, by the steps since the first line; None where that cannot be told.

    The steps before the first line, of a trainer that went on from a checkpoint, say nothing about this one's pace.
    """
    began, told = _moment(report.started_at), _moment(report.updated_at)
    if report.last is None or report.total_steps is None or not report.points or began is None or told is None:
        return None
    made = report.last.step - report.points[0].step
    left = report.total_steps - report.last.step
    if made <= 0 or left <= 0 or told <= began:
        return None
    try:
        return told + timedelta(seconds=(told - began).total_seconds() / made * left)
    except OverflowError:
        return None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
