"""Wait for a state that no watch of the API server shows."""

import time
from collections.abc import Callable
from typing import TypeVar

State = TypeVar("State")

PARALLEL_SLOWDOWN = 2.0
"""Factor of all time limits, since other tests run at the same time."""


def poll(read: Callable[[], State], done: Callable[[State], object], *, within: float, awaited: str) -> State:
    """Read a state until `done` accepts it, and return this state.

    Raises AssertionError with what was awaited, and the last state, after `within` seconds times PARALLEL_SLOWDOWN.
    """
    seconds = within * PARALLEL_SLOWDOWN
    deadline = time.monotonic() + seconds
    while not done(state := read()):
        assert time.monotonic() < deadline, f"{awaited}: waited {seconds:.0f} s in vain: {state}"
        time.sleep(0.2)
    return state
