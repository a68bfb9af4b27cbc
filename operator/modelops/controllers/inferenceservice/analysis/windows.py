"""Windows of an analysis: what Pods counted since the last one, summed over Pods.

A Pod counts from its start. What belongs to a window is the difference between two readings. Readings and sums are
this process's memory alone: an operator that restarts begins a new window, and loses only time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, Protocol, Self, TypeVar

Side = Literal["candidate", "stable"]


class Cumulative(Protocol):
    """Counts of a Pod that only grow until the Pod's container restarts."""

    def since(self, before: Self) -> Self:
        """Return what was added after `before`; all of it after a restart."""

    def __add__(self, other: Self) -> Self:
        """Return the sum of both."""


C = TypeVar("C", bound=Cumulative)


class RolloutAttempt(NamedTuple):
    """Key of the attempt to roll out a candidate."""

    service_uid: str
    """UID of the InferenceService."""
    attempt: str
    """Name of the attempt in its status."""


@dataclass
class _Window(Generic[C]):
    last: dict[tuple[Side, str], C] = field(default_factory=dict)
    """Last reading of each Pod, by side and Pod."""
    sums: dict[Side, C] = field(default_factory=dict)


class Windows(Generic[C]):
    """Windows of all attempts under way."""

    def __init__(self) -> None:
        self._windows: dict[RolloutAttempt, _Window[C]] = {}

    def add(self, attempt: RolloutAttempt, side: Side, pod: str, reading: C) -> None:
        """Add what a Pod counted for a side since its last reading.

        The first reading adds nothing: its counts may be older than the window.
        """
        window = self._windows.setdefault(attempt, _Window())
        before = window.last.get((side, pod))
        window.last[side, pod] = reading
        if before is None:
            return
        new, total = reading.since(before), window.sums.get(side)
        window.sums[side] = new if total is None else total + new

    def window(self, attempt: RolloutAttempt, side: Side) -> C | None:
        """Return what was counted for a side since the window began; None before any Pod was read twice."""
        window = self._windows.get(attempt)
        return window.sums.get(side) if window is not None else None

    def begin(self, attempt: RolloutAttempt) -> None:
        """Begin a new window where the last one ends: no request is lost between them, and none counts twice."""
        if attempt in self._windows:
            self._windows[attempt].sums = {}

    def keep_pods(self, attempt: RolloutAttempt, pods: set[str]) -> None:
        """Forget the readings of all other Pods. What those Pods counted stays in the window."""
        window = self._windows.get(attempt)
        if window is not None:
            window.last = {key: reading for key, reading in window.last.items() if key[1] in pods}

    def keep_only(self, under_way: Callable[[RolloutAttempt], bool]) -> None:
        """Forget all other attempts."""
        self._windows = {attempt: window for attempt, window in self._windows.items() if under_way(attempt)}

    def __len__(self) -> int:
        return len(self._windows)
