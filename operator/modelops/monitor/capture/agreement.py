"""Whether two answers to one request are the same, and the answers that are kept until somebody asks. Pure but for the
store's memory.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

from modelops.monitor.capture.tables import Table, Value

KEPT_SECONDS = 60.0
MOST_KEPT_BYTES = 16 * 2**20
MOST_TOLD_BYTES = 2**20


def same(one: Table, other: Table, tolerance: float) -> bool:
    """Whether both have the same columns with the same values: numbers within a tolerance relative to the greater one,
    everything else exactly.
    """
    if one.keys() != other.keys():
        return False
    return all(
        len(values) == len(other[name])
        and all(_same_value(a, b, tolerance) for a, b in zip(values, other[name], strict=True))
        for name, values in one.items()
    )


def _same_value(one: Value, other: Value, tolerance: float) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=tolerance)


class Answers:
    """Answers by the names of their requests, each until it is taken, for a minute at most. Safe for threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}
        self._bytes = 0

    def keep(self, name: str, answer: Table) -> None:
        """Keep an answer. Where there is no room the oldest ones go."""
        text = json.dumps(answer, separators=(",", ":"))
        with self._lock:
            self._drop(name)
            self._kept[name] = self._clock() + KEPT_SECONDS, text
            self._bytes += len(text)
            while self._bytes > MOST_KEPT_BYTES or self._oldest_until() < self._clock():
                self._drop(next(iter(self._kept)))

    def take(self, names: Iterable[str]) -> str:
        """A JSON object of those answers that are there, as far as they fit; they are kept no longer."""
        found: list[str] = []
        size = 0
        with self._lock:
            for name in names:
                until, text = self._kept.get(name, (0.0, ""))
                if until < self._clock() or (found and size + len(text) > MOST_TOLD_BYTES):
                    continue
                size += len(text)
                found.append(f"{json.dumps(name)}:{text}")
                self._drop(name)
        return "{" + ",".join(found) + "}"

    def _oldest_until(self) -> float:
        return next(iter(self._kept.values()))[0] if self._kept else math.inf

    def _drop(self, name: str) -> None:
        _, text = self._kept.pop(name, (0.0, ""))
        self._bytes -= len(text)


class NoPredictionsError(ValueError):
    """Something that no monitor tells."""


def answers_told(content: bytes) -> dict[str, Table]:
    """What `Answers.take` told another monitor. Raises NoAnswers."""
    try:
        told: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NoPredictionsError("it is no JSON") from error
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
        raise NoPredictionsError("it has no answers by name")
    for columns in told.values():
        for values in columns.values():
            if not isinstance(values, list) or not all(isinstance(one, int | float | str) for one in values):
                raise NoPredictionsError("it has no values by column")
    return told
