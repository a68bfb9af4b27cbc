"""Turn a sidecar's report of the trainer's progress into the run's status. Pure."""

from datetime import UTC, datetime, timedelta

from modelops.api.contract.eta import completed_ratio, estimated_end
from modelops.api.contract.reports import ProgressReport
from modelops.api.trainingrun_status import Progress, TracePoint
from modelops.machinery.conditions import format_timestamp

_MAX_METRICS = 20
_MAX_NAME_CHARACTERS = 64
_MINUTE = timedelta(minutes=1)


def progress_status(report: ProgressReport, now: datetime, objective: str | None = None) -> Progress | None:
    """Return the progress of a trainer; None before its first line of metrics.

    `objective` is the metric whose trace is kept. The result is valid for any report: a user's code may have sent it.
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


def latest_progress(written: Progress | None, reported: Progress | None) -> Progress | None:
    """Return the progress for the status: the reported one, if it differs from the written one in more than `endsAt`.

    A trainer that has not moved causes no write of the status, though the estimate of its end moves.
    """
    if reported is None or (written is not None and _without_estimate(written) == _without_estimate(reported)):
        return written
    return reported


def _without_estimate(progress: Progress) -> Progress:
    return progress.model_copy(update={"ends_at": None})


def _end(report: ProgressReport, now: datetime) -> str | None:
    """Return the estimated end in whole minutes, so that reports agree on it; None if it has passed."""
    end = estimated_end(report)
    if end is None or end < now:
        return None
    try:
        full = end.astimezone(UTC).replace(second=0, microsecond=0)
        return format_timestamp(full if full == end else full + _MINUTE)
    except OverflowError:
        return None


def _metrics(metrics: dict[str, float], objective: str | None) -> dict[str, float]:
    """Return the first metrics in the trainer's order, but the objective before all others."""
    valid = (name for name in metrics if 0 < len(name) <= _MAX_NAME_CHARACTERS)
    names = sorted(valid, key=lambda name: name != objective)
    return {name: metrics[name] for name in names[:_MAX_METRICS]}
