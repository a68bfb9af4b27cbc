"""Retry of S3 requests with exponential backoff."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from modelops.store.errors import S3Error

T = TypeVar("T")
RETRY_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 15.0
_log = logging.getLogger(__name__)


def is_transient(problem: S3Error) -> bool:
    """Return True if the same request may succeed later without any change."""
    return problem.transient


def retry(
    action: Callable[[], T],
    *,
    seconds: float = RETRY_SECONDS,
    retry_if: Callable[[S3Error], bool] = is_transient,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return the result of `action`, called again after each S3Error that passes `retry_if`, for up to `seconds`.

    Pauses start at half a second and double up to 15 seconds. Each varies by half, so that many Pods do not return at
    the same moment. Raises the last S3Error.
    """
    deadline = now() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except S3Error as problem:
            left = deadline - now()
            if not retry_if(problem) or left <= 0:
                raise
            _log.info("%s; trying again for up to %.0f s", problem.message, left)
        sleep(min(pause * random.uniform(0.5, 1.5), left))
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)
