"""Child processes of the container's first process, and its log."""

import os
import sys
from collections.abc import Sequence


def start(command: Sequence[str], environment: dict[str, str]) -> int:
    """Start a child with no signal blocked and return its process id."""
    return os.posix_spawn(command[0], list(command), environment, setsigmask=())


def log(message: str) -> None:
    """Write one line to the container's log."""
    print(f"supervisor: {message}", file=sys.stderr, flush=True)
