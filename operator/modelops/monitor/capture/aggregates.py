"""Aggregates of this Pod's captured requests: value counts by column, and predictions to compare. Thread-safe."""

import threading
import time
from collections.abc import Callable
from typing import Any

from modelops.monitor.capture.agreement import PredictionStore
from modelops.monitor.capture.histograms import Histograms
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.capture.records import Body, Record
from modelops.monitor.capture.tables import Table, UnreadableBodyError, parse_body

_INCONCLUSIVE_STATUSES = (408, 429)
"""Statuses below 500 that depend on the server's load, not on the request."""


class RequestHistograms:
    """Value counts of inputs and predictions, of either clients' own or mirrored requests."""

    def __init__(self) -> None:
        self.inputs = Histograms()
        self.predictions = Histograms()

    def to_json(self) -> dict[str, Any]:
        """Return both histograms in the report's format."""
        return {"inputs": self.inputs.to_json(), "predictions": self.predictions.to_json()}


class Aggregates:
    """Aggregates since this process started."""

    def __init__(self, pairing: Pairing, clock: Callable[[], float] = time.monotonic) -> None:
        self.predictions = PredictionStore(clock)
        self._pairing = pairing
        self._lock = threading.Lock()
        self._live, self._mirrored = RequestHistograms(), RequestHistograms()
        self.received = 0
        self.unread = 0

    def add(self, record: Record) -> None:
        """Count a request and its response, and store or compare its prediction if the routes set a tolerance."""
        succeeded = 200 <= record.status < 300
        inputs, predictions = _read(record.request), _read(record.response) if succeeded else None
        with self._lock:
            self.received += 1
            self.unread += inputs is None or (succeeded and predictions is None)
            histograms = self._mirrored if record.mirrored else self._live
            if inputs is not None:
                histograms.inputs.add(*inputs)
            if predictions is not None:
                histograms.predictions.add(*predictions)
        self._pair(record, predictions[1] if predictions is not None else None)

    def to_json(self) -> dict[str, Any]:
        """Return the report that the operator reads at /monitor/report, without the count of dropped records."""
        pairing = self._pairing
        with self._lock:
            return {
                "live": self._live.to_json(),
                "mirrored": self._mirrored.to_json(),
                "pairs": {"compared": pairing.compared, "agreed": pairing.agreed, "unpaired": pairing.unpaired},
                "records": {"received": self.received, "unread": self.unread},
            }

    def _pair(self, record: Record, prediction: Table | None) -> None:
        if record.tolerance is None or not record.key:
            return
        if not record.mirrored:
            if prediction is not None:
                self.predictions.put(record.key, prediction)
        elif record.mirrored_by is not None and (prediction is not None or _rejected(record.status)):
            self._pairing.add(record.key, record.mirrored_by, prediction, record.tolerance)


def _rejected(status: int) -> bool:
    """Return whether the model rejected the request, which is comparable. Failures are counted as errors instead."""
    return 400 <= status < 500 and status not in _INCONCLUSIVE_STATUSES


def _read(body: Body | None) -> tuple[int, Table] | None:
    if body is None:
        return None
    try:
        return parse_body(body)
    except UnreadableBodyError:
        return None
