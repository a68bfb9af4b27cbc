"""Probing of sources in the background: a few at a time, and never in the time of a queue worker."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, TypeVar

from modelops.api.contract.tasks import S3Place
from modelops.controllers.background import Background
from modelops.controllers.dataset.probe_result import ProbeResult, SourceProblem
from modelops.machinery.resources import Key
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.listing import ListingSummary, TooManyObjects, probe

R = TypeVar("R")
ListSource = Callable[[S3Place, Credentials | None, int], ListingSummary | TooManyObjects]
"""Lists a place, but no more objects than the number. Raises S3Error."""
_CONCURRENT_PROBES = 8
_SHARE = 2
"""Probes of one namespace at once."""
_ATTEMPTS = 2
"""Tries of a request. Few, since a source that does not respond occupies one of the concurrent probes."""
_log = logging.getLogger(__name__)


class Prober(Background[Key, ProbeResult]):
    """Last probe of each Dataset's source, and the probes that are running."""

    def __init__(self, list_source: ListSource | None = None) -> None:
        super().__init__(_CONCURRENT_PROBES, _SHARE)
        self._list_source = list_source or list_s3_source

    def last(self, key: Key, uid: str, generation: int) -> ProbeResult | None:
        """Return the last probe of the Dataset with this UID and with this generation of its spec."""
        result = self._results.get(key)
        return result if result is not None and (result.uid, result.generation) == (uid, generation) else None

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
        """Start a probe in the background, unless one is running; call `wake` with the key when the probe has ended."""

        async def run() -> ProbeResult:
            async with self._slots.hold(key.namespace):
                at = datetime.now(UTC)
                outcome = await _outcome(lambda: self._list_source(place, credentials, max_objects))
            return self._result(key, uid, generation, at, outcome)

        self._start(key, key, run, enqueue)

    def record(
        self,
        key: Key,
        uid: str,
        generation: int,
        at: datetime,
        outcome: ListingSummary | TooManyObjects | SourceProblem,
    ) -> ProbeResult:
        """Keep the outcome of a probe as the last one, and count transient problems in a row."""
        self._results[key] = self._result(key, uid, generation, at, outcome)
        return self._results[key]

    def _result(
        self,
        key: Key,
        uid: str,
        generation: int,
        at: datetime,
        outcome: ListingSummary | TooManyObjects | SourceProblem,
    ) -> ProbeResult:
        before = self.last(key, uid, generation)
        failures = 0
        if isinstance(outcome, SourceProblem) and outcome.kind == "Transient":
            failures = (before.failures if before else 0) + 1
        return ProbeResult(at, uid, generation, outcome, failures)


def list_s3_source(
    place: S3Place, credentials: Credentials | None, max_objects: int
) -> ListingSummary | TooManyObjects:
    """List the objects below a place. Raises S3Error."""
    return probe(_client(place.endpoint, place.region, credentials), place, max_objects)


@lru_cache(maxsize=64)
def _client(endpoint: str | None, region: str | None, credentials: Credentials | None) -> Any:
    """Return a client for every bucket of a service. Creating one takes longer than listing a small bucket."""
    return make_client(S3Place(bucket="any", endpoint=endpoint, region=region), credentials, attempts=_ATTEMPTS)


async def _outcome(
    list_source: Callable[[], ListingSummary | TooManyObjects],
) -> ListingSummary | TooManyObjects | SourceProblem:
    try:
        return await _in_thread(list_source)
    except S3Error as error:
        return source_problem(error)
    except Exception as error:
        _log.exception("probing a source failed")
        return SourceProblem("Transient", "ProbeError", f"{type(error).__name__}: {error}")


def source_problem(error: S3Error) -> SourceProblem:
    """Return what an S3 error means for a Dataset."""
    return SourceProblem("Transient" if error.transient else "Stalled", error.reason.value, error.message)


async def _in_thread(work: Callable[[], R]) -> R:
    """Return the result of `work`, run in a daemon thread: a request that hangs must not delay the process's exit."""
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
        with contextlib.suppress(RuntimeError):  # The loop is closed: nothing awaits the result.
            loop.call_soon_threadsafe(finish, settle)

    threading.Thread(target=run, name="probe", daemon=True).start()
    return await result
