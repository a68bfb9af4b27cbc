"""Clock that a test sets, for code that takes its clock as an argument."""

from dataclasses import dataclass


@dataclass
class ManualClock:
    """Clock that stands still until a test moves `now`."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now
