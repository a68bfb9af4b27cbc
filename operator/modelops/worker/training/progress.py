"""What the lines of a metrics.jsonl come to: the last step, and a few points of all. Pure, in constant memory."""

from datetime import datetime
from itertools import islice

from modelops.api.contract.reports import ProgressPoint, ProgressReport
from modelops.worker.training.metrics import MOST
from modelops.worker.training.step_metrics import Line

MOST_POINTS = 32


class Progress:
    """How far the trainer is, line by line."""

    def __init__(self) -> None:
        self._points = _Points()
        self._last: ProgressPoint | None = None
        self._total_steps: int | None = None
        self._started_at: datetime | None = None
        self._updated_at: datetime | None = None

    def add(self, line: Line, now: datetime) -> None:
        """Take a line in. Several of one step, such as of training and of evaluation, are one point."""
        self._total_steps = line.total_steps or self._total_steps
        self._started_at = self._started_at or now
        self._updated_at = now
        if self._last is not None and self._last.step == line.step:
            self._last = _merged(self._last.metrics, line.step, line.metrics)
            return
        if self._last is not None:
            self._points.add(self._last)
        self._last = ProgressPoint(step=line.step, metrics=line.metrics)

    def report(self) -> ProgressReport:
        """As the sidecar tells it."""
        return ProgressReport(
            last=self._last,
            total_steps=self._total_steps,
            started_at=_text(self._started_at),
            updated_at=_text(self._updated_at),
            points=self._points.up_to(self._last) if self._last is not None else [],
        )


class _Points:
    """Every 2^n-th point, where n grows so that there is always room for the last one.

    What the points between had is not lost: each one kept has the newest value of every metric since the one before.
    """

    def __init__(self) -> None:
        self._kept: list[ProgressPoint] = []
        self._since: dict[str, float] = {}
        self._count = 0
        self._stride = 1

    def add(self, point: ProgressPoint) -> None:
        number, self._count = self._count, self._count + 1
        if number % self._stride:
            self._since = _merged(self._since, point.step, point.metrics).metrics
            return
        self._kept.append(_merged(self._since, point.step, point.metrics))
        self._since = {}
        if len(self._kept) == MOST_POINTS - 1:
            self._thin_out()

    def up_to(self, last: ProgressPoint) -> list[ProgressPoint]:
        return [*self._kept, _merged(self._since, last.step, last.metrics)]

    def _thin_out(self) -> None:
        """Every second one stays; the first is one of them, and so is, of an odd number, the last."""
        pairs = zip(islice(self._kept, 1, None, 2), islice(self._kept, 2, None, 2), strict=True)
        self._kept = [
            self._kept[0],
            *(_merged(dropped.metrics, kept.step, kept.metrics) for dropped, kept in pairs),
        ]
        self._stride *= 2


def _merged(before: dict[str, float], step: int, metrics: dict[str, float]) -> ProgressPoint:
    """Where there are more metrics than are kept, the newer ones are."""
    together = {**metrics, **{name: value for name, value in before.items() if name not in metrics}}
    return ProgressPoint(step=step, metrics=dict(islice(together.items(), MOST)))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment is not None else None
