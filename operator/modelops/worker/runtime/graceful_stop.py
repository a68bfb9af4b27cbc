"""SIGTERM as a deadline: the trainer gets the signal too, and its last files must still be uploaded."""

import signal
import time
from types import TracebackType
from typing import NoReturn

from modelops.api.base import Model

_TRAINER_FRACTION = 2 / 3
_MAX_SAVING_SECONDS = 20.0
_REPORTING_FRACTION = 0.1
_MAX_REPORTING_SECONDS = 3.0


class Terminated(BaseException):
    """No time is left after SIGTERM. Not an Exception, so that no retry catches it."""

    report: Model | None = None
    """Results so far, if they are to be reported."""


class GracefulStop:
    """Context manager in which SIGTERM only starts a clock of `seconds`. Terminated is raised shortly before its end.

    Terminated is raised in the main thread, wherever that is. A SIGTERM that was blocked before counts from the entry.
    After the exit SIGTERM is ignored, so that it cannot interrupt the report.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def __enter__(self) -> "GracefulStop":
        signal.signal(signal.SIGTERM, self._begin)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.requested:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @property
    def requested(self) -> bool:
        """True once SIGTERM was received."""
        return self._since is not None

    @property
    def trainer_grace_expired(self) -> bool:
        """True once the trainer's part of the time is over. The rest is for uploading what it has written."""
        saving = min(_MAX_SAVING_SECONDS, self._seconds * (1 - _TRAINER_FRACTION))
        return self._since is not None and time.monotonic() >= self._since + self._seconds - saving

    def left(self) -> float:
        """Return the seconds until Terminated is raised; infinite before SIGTERM."""
        return float("inf") if self._since is None else self._since + self._working_seconds - time.monotonic()

    @property
    def _working_seconds(self) -> float:
        return self._seconds - min(_MAX_REPORTING_SECONDS, self._seconds * _REPORTING_FRACTION)

    def _begin(self, *_: object) -> None:
        if self._since is not None:
            return
        self._since = time.monotonic()
        signal.signal(signal.SIGALRM, _raise_terminated)
        # A timer of 0 seconds would never expire.
        signal.setitimer(signal.ITIMER_REAL, max(self._working_seconds, 0.001))


def _raise_terminated(*_: object) -> NoReturn:
    raise Terminated
