"""Looking at sources in the background: a few at a time, and never in a queue worker's time."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

from modelops.api.contract.tasks import S3Place
from modelops.controllers.dataset.probe_result import Problem, Sighting
from modelops.machinery.background import Background
from modelops.machinery.resources import Key
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.listing import Probe, TooMany, probe

R = TypeVar("R")
Look = Callable[[S3Place, Credentials | None, int], Probe | TooMany]
"""Looks at a place, unless there are more objects than the number says. Raises S3Error."""
_AT_ONCE = 8
_ATTEMPTS = 2
"""Tries of a request: a source that does not answer holds one of the few places for as short as can be."""
_log = logging.getLogger(__name__)


class Prober(Background[Key, Sighting]):
    """The last look at each Dataset's source, and the looks under way."""

    def __init__(self, look: Look | None = None) -> None:
        super().__init__(_AT_ONCE)
        self._look = look or look_at

    def last(self, key: Key, uid: str, generation: int) -> Sighting | None:
        """The last look at this very Dataset with this very spec."""
        seen = self._results.get(key)
        return seen if seen is not None and (seen.uid, seen.generation) == (uid, generation) else None

    def start(
        self,
        key: Key,
        uid: str,
        generation: int,
        place: S3Place,
        credentials: Credentials | None,
        max_objects: int,
        wake: Callable[[Key], None],
    ) -> None:
        """Look in the background, and have the Dataset woken once the look has ended."""

        async def look() -> Sighting:
            async with self._slots:
                at = datetime.now(UTC)
                found = await _found(lambda: self._look(place, credentials, max_objects))
            return self._sighting(key, uid, generation, at, found)

        self._start(key, key, look, wake)

    def note(self, key: Key, uid: str, generation: int, at: datetime, found: Probe | TooMany | Problem) -> Sighting:
        """Keep what a look has brought."""
        self._results[key] = self._sighting(key, uid, generation, at, found)
        return self._results[key]

    def _sighting(
        self, key: Key, uid: str, generation: int, at: datetime, found: Probe | TooMany | Problem
    ) -> Sighting:
        before = self.last(key, uid, generation)
        failures = 0
        if isinstance(found, Problem) and found.kind == "Transient":
            failures = (before.failures if before else 0) + 1
        return Sighting(at, uid, generation, found, failures)


def look_at(place: S3Place, credentials: Credentials | None, max_objects: int) -> Probe | TooMany:
    """Look at a place. Raises S3Error."""
    return probe(_client(place.endpoint, place.region, credentials), place, max_objects)


@lru_cache(maxsize=64)
def _client(endpoint: str | None, region: str | None, credentials: Credentials | None) -> Any:
    """A client costs more than a look at a small bucket, and serves every bucket of its service."""
    return make_client(S3Place(bucket="any", endpoint=endpoint, region=region), credentials, attempts=_ATTEMPTS)


async def _found(look: Callable[[], Probe | TooMany]) -> Probe | TooMany | Problem:
    try:
        return await _in_thread(look)
    except S3Error as problem:
        return problem_of(problem)
    except Exception as error:
        _log.exception("a look at a source failed")
        return Problem("Transient", "ProbeError", f"{type(error).__name__}: {error}")


def problem_of(problem: S3Error) -> Problem:
    """What an S3 problem means for a Dataset."""
    return Problem("Transient" if problem.transient else "Stalled", problem.reason.value, problem.message)


async def _in_thread(work: Callable[[], R]) -> R:
    """The result of `work`, done in a daemon thread: a request that hangs must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[R] = loop.create_future()

    def finish(settle: Callable[[], None]) -> None:
        if not result.done():
            settle()

    def run() -> None:
        try:
            settle = partial(result.set_result, work())
        except Exception as error:
            settle = partial(result.set_exception, error)
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(finish, settle)

    threading.Thread(target=run, name="probe", daemon=True).start()
    return await result
