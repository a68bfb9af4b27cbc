"""Compare predictions of two versions for one request, and store those waiting to be compared.

The comparison is pure.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

from modelops.monitor.capture.tables import Table, Value

RETENTION_SECONDS = 60.0
MAX_STORED_BYTES = 16 * 2**20
MAX_RESPONSE_BYTES = 2**20


def predictions_agree(first: Table, second: Table, tolerance: float) -> bool:
    """Return whether two predictions have the same columns with equal values.

    Numbers may differ by `tolerance`, relative to the greater one. Text must be equal.
    """
    if first.keys() != second.keys():
        return False
    return all(
        len(values) == len(second[name])
        and all(_values_agree(a, b, tolerance) for a, b in zip(values, second[name], strict=True))
        for name, values in first.items()
    )


def _values_agree(first: Value, second: Value, tolerance: float) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=tolerance)


class PredictionStore:
    """Predictions by request key, each kept for a minute or until it is taken. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stored: dict[str, tuple[float, str]] = {}
        self._bytes = 0

    def put(self, key: str, prediction: Table) -> None:
        """Store a prediction, and evict the oldest ones beyond MAX_STORED_BYTES."""
        text = json.dumps(prediction, separators=(",", ":"))
        with self._lock:
            self._evict(key)
            self._stored[key] = self._clock() + RETENTION_SECONDS, text
            self._bytes += len(text)
            while self._bytes > MAX_STORED_BYTES or self._oldest_expiry() < self._clock():
                self._evict(next(iter(self._stored)))

    def take(self, keys: Iterable[str]) -> str:
        """Remove the predictions of these keys and return them as one JSON object.

        Keys without a prediction are left out. Predictions beyond MAX_RESPONSE_BYTES stay for the next call.
        """
        members: list[str] = []
        size = 0
        with self._lock:
            for key in keys:
                expiry, text = self._stored.get(key, (0.0, ""))
                if expiry < self._clock() or (members and size + len(text) > MAX_RESPONSE_BYTES):
                    continue
                size += len(text)
                members.append(f"{json.dumps(key)}:{text}")
                self._evict(key)
        return "{" + ",".join(members) + "}"

    def _oldest_expiry(self) -> float:
        return next(iter(self._stored.values()))[0] if self._stored else math.inf

    def _evict(self, key: str) -> None:
        _, text = self._stored.pop(key, (0.0, ""))
        self._bytes -= len(text)


class InvalidPredictionsError(ValueError):
    """The response is not in the format of `PredictionStore.take`."""


def parse_predictions(content: bytes) -> dict[str, Table]:
    """Parse what another monitor's `PredictionStore.take` returned. Raises InvalidPredictionsError."""
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidPredictionsError("not JSON") from error
    if not isinstance(document, dict) or not all(isinstance(columns, dict) for columns in document.values()):
        raise InvalidPredictionsError("not an object of predictions by key")
    for columns in document.values():
        for values in columns.values():
            if not isinstance(values, list) or not all(isinstance(value, int | float | str) for value in values):
                raise InvalidPredictionsError("not an object of values by column")
    return document
