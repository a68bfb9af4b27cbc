"""What a sidecar's report of the trainer's progress means for the status. Pure."""

from datetime import UTC, datetime, timedelta

from modelops.api.contract.eta import completed_ratio, estimated_end
from modelops.api.contract.reports import ProgressReport
from modelops.api.trainingrun_status import Progress, TracePoint
from modelops.machinery.conditions import format_timestamp

_MOST_METRICS = 20
_LONGEST_NAME = 64
_MINUTE = timedelta(minutes=1)


def progress_status(report: ProgressReport, now: datetime, objective: str | None = None) -> Progress | None:
    """How far the trainer is; None where it has not said anything yet. `objective`: the metric whose trace is kept.

    Whatever a report says, what comes of it can be written.
    """
    if report.last is None:
        return None
    done = completed_ratio(report)
    return Progress(
        step=report.last.step,
        total_steps=report.total_steps,
        percent=int(done * 100) if done is not None else None,
        ends_at=_end(report, now),
        metrics=_metrics(report.last.metrics, objective),
        trace=[
            TracePoint(step=point.step, value=point.metrics[objective])
            for point in report.points
            if objective in point.metrics
        ]
        if objective is not None
        else [],
    )


def newer(shown: Progress | None, told: Progress | None) -> Progress | None:
    """What the status shall have: what is shown, unless the trainer has told something else since.

    A guess of the end that moved is no news as long as the trainer has not. How often there is any is up to the poller.
    """
    if told is None or (shown is not None and _news(shown) == _news(told)):
        return shown
    return told


def _news(progress: Progress) -> Progress:
    return progress.model_copy(update={"ends_at": None})


def _end(report: ProgressReport, now: datetime) -> str | None:
    """Up to the minute, so that it stays the same from one report to the next; none where it has passed already."""
    end = estimated_end(report)
    if end is None or end < now:
        return None
    try:
        full = end.astimezone(UTC).replace(second=0, microsecond=0)
        return format_timestamp(full if full == end else full + _MINUTE)
    except OverflowError:
        return None


def _metrics(metrics: dict[str, float], objective: str | None) -> dict[str, float]:
    """The objective first, then as the trainer has them."""
    names = sorted((name for name in metrics if 0 < len(name) <= _LONGEST_NAME), key=lambda name: name != objective)
    return {name: metrics[name] for name in names[:_MOST_METRICS]}
