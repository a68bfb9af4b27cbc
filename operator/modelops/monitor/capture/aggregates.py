"""What the captured requests of this Pod come to: counts by column, and answers that are compared. Safe for threads."""

import threading
import time
from collections.abc import Callable
from typing import Any

from modelops.monitor.capture.agreement import Answers
from modelops.monitor.capture.histograms import Counts
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.capture.records import Body, Record
from modelops.monitor.capture.tables import Table, UnreadableBodyError, table

_NO_ANSWER = (408, 429)
"""Statuses below 500 that say nothing about the request itself."""


class Side:
    """What was asked and what was answered, of clients' own requests or of copies."""

    def __init__(self) -> None:
        self.inputs = Counts()
        self.predictions = Counts()

    def told(self) -> dict[str, Any]:
        """The counts as JSON has them."""
        return {"inputs": self.inputs.told(), "predictions": self.predictions.told()}


class Capture:
    """Everything since this process began."""

    def __init__(self, pairing: Pairing, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers = Answers(clock)
        self._pairing = pairing
        self._lock = threading.Lock()
        self._live, self._copies = Side(), Side()
        self.received = 0
        self.unread = 0

    def take(self, record: Record) -> None:
        """Count a request and its answer, and keep or compare the answer where the routes say so."""
        answered = 200 <= record.status < 300
        asked, told = _read(record.request), _read(record.response) if answered else None
        with self._lock:
            self.received += 1
            self.unread += asked is None or (answered and told is None)
            side = self._copies if record.mirrored else self._live
            if asked is not None:
                side.inputs.add(*asked)
            if told is not None:
                side.predictions.add(*told)
        self._pair(record, told[1] if told is not None else None)

    def told(self) -> dict[str, Any]:
        """The report as JSON has it."""
        pairing = self._pairing
        with self._lock:
            return {
                "live": self._live.told(),
                "mirrored": self._copies.told(),
                "pairs": {"compared": pairing.compared, "agreed": pairing.agreed, "unpaired": pairing.unpaired},
                "records": {"received": self.received, "unread": self.unread},
            }

    def _pair(self, record: Record, answer: Table | None) -> None:
        if record.tolerance is None or not record.name:
            return
        if not record.mirrored:
            if answer is not None:
                self.answers.keep(record.name, answer)
        elif record.keeper is not None and (answer is not None or _refused(record.status)):
            self._pairing.add(record.name, record.keeper, answer, record.tolerance)


def _refused(status: int) -> bool:
    """Whether the model said no, which is an answer. Failures are counted as errors, and are none."""
    return 400 <= status < 500 and status not in _NO_ANSWER


def _read(body: Body | None) -> tuple[int, Table] | None:
    if body is None:
        return None
    try:
        return table(body)
    except UnreadableBodyError:
        return None
