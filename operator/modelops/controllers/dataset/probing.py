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


class Prober:
    """The last look at each Dataset's source, and the looks under way."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or look_at
        self._last: dict[Key, Sighting] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    def last(self, key: Key, uid: str, generation: int) -> Sighting | None:
        """The last look at this very Dataset with this very spec."""
        seen = self._last.get(key)
        return seen if seen is not None and (seen.uid, seen.generation) == (uid, generation) else None

    def running(self, key: Key) -> bool:
        """Whether a look is under way."""
        return key in self._running

    def start(
        self,
        key: Key,
        uid: str,
        generation: int,
        place: S3Place,
        credentials: Credentials | None,
        max_objects: int,
        enqueue: Callable[[Key], None],
    ) -> None:
        """Look in the background, and have the Dataset woken once the look has ended."""
        if key in self._running:
            return

        async def run() -> None:
            try:
                async with self._places:
                    at = datetime.now(UTC)
                    found = await _found(lambda: self._look(place, credentials, max_objects))
                self.note(key, uid, generation, at, found)
            finally:
                del self._running[key]
                enqueue(key)

        self._running[key] = asyncio.create_task(run(), name=f"probe {key}")

    def note(self, key: Key, uid: str, generation: int, at: datetime, found: Probe | TooMany | Problem) -> Sighting:
        """Keep what a look has brought."""
        before = self.last(key, uid, generation)
        failures = 0
        if isinstance(found, Problem) and found.kind == "Transient":
            failures = (before.failures if before else 0) + 1
        self._last[key] = Sighting(at, uid, generation, found, failures)
        return self._last[key]

    def forget(self, key: Key) -> None:
        """What was seen does not count any more."""
        self._last.pop(key, None)

    def keep_only(self, exists: Callable[[Key], bool]) -> None:
        """Forget Datasets that are gone."""
        self._last = {key: seen for key, seen in self._last.items() if exists(key)}

    def __len__(self) -> int:
        return len(self._last)


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
