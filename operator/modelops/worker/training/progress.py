"""Progress of the trainer from the lines of metrics.jsonl: the last step, and a few points of all steps.

Pure, in constant memory.
"""

from datetime import datetime
from itertools import islice

from modelops.api.contract.reports import ProgressPoint, ProgressReport
from modelops.worker.training.metrics import MAX_METRICS
from modelops.worker.training.step_metrics import MetricsLine

MAX_POINTS = 32


class Progress:
    """Progress so far, built up line by line."""

    def __init__(self) -> None:
        self._points = _Points()
        self._last: ProgressPoint | None = None
        self._total_steps: int | None = None
        self._started_at: datetime | None = None
        self._updated_at: datetime | None = None

    def add(self, line: MetricsLine, now: datetime) -> None:
        """Add a line. Consecutive lines of one step, such as training and evaluation, make one point."""
        self._total_steps = line.total_steps or self._total_steps
        self._started_at = self._started_at or now
        self._updated_at = now
        if self._last is not None and self._last.step == line.step:
            self._last = _merge(self._last.metrics, line.step, line.metrics)
            return
        if self._last is not None:
            self._points.add(self._last)
        self._last = ProgressPoint(step=line.step, metrics=line.metrics)

    def report(self) -> ProgressReport:
        """Return the report that the sidecar serves."""
        return ProgressReport(
            last=self._last,
            total_steps=self._total_steps,
            started_at=_timestamp(self._started_at),
            updated_at=_timestamp(self._updated_at),
            points=self._points.up_to(self._last) if self._last is not None else [],
        )


class _Points:
    """Every 2^n-th point, where n grows so that MAX_POINTS are never exceeded.

    Metrics of the points between are not lost: a kept point has the newest value of every metric since the kept point
    before.
    """

    def __init__(self) -> None:
        self._kept: list[ProgressPoint] = []
        self._since_kept: dict[str, float] = {}
        self._count = 0
        self._stride = 1

    def add(self, point: ProgressPoint) -> None:
        number, self._count = self._count, self._count + 1
        if number % self._stride:
            self._since_kept = _merge(self._since_kept, point.step, point.metrics).metrics
            return
        self._kept.append(_merge(self._since_kept, point.step, point.metrics))
        self._since_kept = {}
        if len(self._kept) == MAX_POINTS - 1:
            self._thin_out()

    def up_to(self, last: ProgressPoint) -> list[ProgressPoint]:
        return [*self._kept, _merge(self._since_kept, last.step, last.metrics)]

    def _thin_out(self) -> None:
        """Keep the first, third, fifth … point. MAX_POINTS - 1 is odd, so the last one stays as well."""
        pairs = zip(islice(self._kept, 1, None, 2), islice(self._kept, 2, None, 2), strict=True)
        self._kept = [
            self._kept[0],
            *(_merge(dropped.metrics, kept.step, kept.metrics) for dropped, kept in pairs),
        ]
        self._stride *= 2


def _merge(before: dict[str, float], step: int, metrics: dict[str, float]) -> ProgressPoint:
    """Return a point with the newer metrics first, so that these stay if there are more than MAX_METRICS."""
    merged = {**metrics, **{name: value for name, value in before.items() if name not in metrics}}
    return ProgressPoint(step=step, metrics=dict(islice(merged.items(), MAX_METRICS)))


def _timestamp(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment is not None else None
