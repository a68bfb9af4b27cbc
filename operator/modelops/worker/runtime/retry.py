"""How long a worker keeps trying when S3 does not answer."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from modelops.store.errors import S3Error

T = TypeVar("T")
PATIENCE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_log = logging.getLogger(__name__)


def is_transient(problem: S3Error) -> bool:
    """Passes by itself."""
    return problem.transient


def patiently(
    action: Callable[[], T],
    *,
    seconds: float = PATIENCE_SECONDS,
    worth: Callable[[S3Error], bool] = is_transient,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `action`, tried again with growing pauses while its problems are `worth` it and `seconds` are left.

    Raises the last S3Error. Pauses vary by half, so that many Pods do not come back at once.
    """
    deadline = now() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except S3Error as problem:
            left = deadline - now()
            if not worth(problem) or left <= 0:
                raise
            _log.info("%s; trying again for %.0f s more", problem.message, left)
        sleep(min(pause * random.uniform(0.5, 1.5), left))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
