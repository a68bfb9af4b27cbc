"""SIGTERM, taken as a deadline: the trainer gets it as well, and what it saves at the end must still be kept."""

import signal
import time
from types import TracebackType
from typing import NoReturn

_TRAINERS_SHARE = 2 / 3
_MOST_KEEPING_SECONDS = 20.0
_REPORTING_SHARE = 0.1
_MOST_REPORTING_SECONDS = 3.0


class Terminated(BaseException):
    """SIGTERM came, and there is no more time. Not an Exception, so that no retry takes it for one."""


class Stop:
    """While it is entered, SIGTERM only starts a clock of `seconds`; shortly before its end Terminated is raised.

    It is raised in the main thread, wherever that is. A SIGTERM that came before and was held back counts from the
    entry. Whatever signal comes after it was left must not interrupt the report.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def __enter__(self) -> "Stop":
        signal.signal(signal.SIGTERM, self._begin)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.wished:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @property
    def wished(self) -> bool:
        """SIGTERM has come."""
        return self._since is not None

    @property
    def waits_no_longer(self) -> bool:
        """A trainer that has not ended by now is not waited for: the rest of the time is for keeping what there is."""
        keeping = min(_MOST_KEEPING_SECONDS, self._seconds * (1 - _TRAINERS_SHARE))
        return self._since is not None and time.monotonic() >= self._since + self._seconds - keeping

    def left(self) -> float:
        """Seconds until Terminated is raised; endless before SIGTERM."""
        return float("inf") if self._since is None else self._since + self._working_seconds - time.monotonic()

    @property
    def _working_seconds(self) -> float:
        return self._seconds - min(_MOST_REPORTING_SECONDS, self._seconds * _REPORTING_SHARE)

    def _begin(self, *_: object) -> None:
        if self._since is not None:
            return
        self._since = time.monotonic()
        signal.signal(signal.SIGALRM, _end)
        # A timer of 0 would never go off.
        signal.setitimer(signal.ITIMER_REAL, max(self._working_seconds, 0.001))


def _end(*_: object) -> NoReturn:
    raise Terminated
