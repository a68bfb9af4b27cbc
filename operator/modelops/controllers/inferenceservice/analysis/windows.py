"""What was counted since a candidate was last judged, summed over Pods. Pure but for its memory.

Pods count on from their start. What of that belongs to a window is the difference between two looks. The memory is
this process's alone: an operator that begins anew begins a window anew, and loses nothing but time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, Protocol, Self, TypeVar

Side = Literal["candidate", "stable"]


class Cumulative(Protocol):
    """What a Pod counts, ever more of it until it begins anew."""

    def since(self, before: Self) -> Self:
        """What came after `before`; all of it where it has begun anew."""

    def __add__(self, other: Self) -> Self:
        """Both together."""


C = TypeVar("C", bound=Cumulative)


class Attempt(NamedTuple):
    """One try of a rollout: the InferenceService's UID, and the name of the attempt in its status."""

    service_uid: str
    attempt: str


@dataclass
class _Window(Generic[C]):
    last: dict[tuple[Side, str], C] = field(default_factory=dict)
    """What each Pod said at the last look, by side and Pod."""
    sums: dict[Side, C] = field(default_factory=dict)


class Windows(Generic[C]):
    """The windows of all attempts under way."""

    def __init__(self) -> None:
        self._windows: dict[Attempt, _Window[C]] = {}

    def take(self, attempt: Attempt, side: Side, pod: str, counted: C) -> None:
        """Take in what a Pod says that it has counted for a side. The first time it is only where to count from:
        nothing from before the window counts.
        """
        window = self._windows.setdefault(attempt, _Window())
        before = window.last.get((side, pod))
        window.last[side, pod] = counted
        if before is None:
            return
        new, known = counted.since(before), window.sums.get(side)
        window.sums[side] = new if known is None else known + new

    def window(self, attempt: Attempt, side: Side) -> C | None:
        """What has been counted for a side since the window began; None before any Pod was seen twice."""
        known = self._windows.get(attempt)
        return known.sums.get(side) if known is not None else None

    def begin(self, attempt: Attempt) -> None:
        """Begin a new window where the one before ends: no request is lost between them, and none counts twice."""
        if attempt in self._windows:
            self._windows[attempt].sums = {}

    def keep_pods(self, attempt: Attempt, pods: set[str]) -> None:
        """Forget Pods that are gone. What they have counted stays in the window."""
        known = self._windows.get(attempt)
        if known is not None:
            known.last = {key: said for key, said in known.last.items() if key[1] in pods}

    def keep_only(self, under_way: Callable[[Attempt], bool]) -> None:
        """Forget attempts that are over."""
        self._windows = {attempt: window for attempt, window in self._windows.items() if under_way(attempt)}

    def __len__(self) -> int:
        return len(self._windows)
