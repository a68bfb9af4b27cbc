"""Probing of sources in the background: a few at a time, and never in the time of a queue worker."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from modelops.api.addresses import AddressRules
from modelops.api.contract.tasks import S3Place
from modelops.controllers.background import Background
from modelops.controllers.dataset.probe_result import ProbeOutcome, ProbeResult, SourceProblem
from modelops.machinery.resources import Key
from modelops.store.bounded_requests import BoundedRequests
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error
from modelops.store.listing import ListingSummary, TooManyObjects, probe

R = TypeVar("R")
ListSource = Callable[[S3Place, Credentials, int, BoundedRequests], ListingSummary | TooManyObjects]
"""Lists a place, but no more objects than the number. Raises S3Error, also once the requests are ended."""
Sleep = Callable[[float], Awaitable[object]]
_CONCURRENT_PROBES = 8
_SHARE = 2
"""Probes of one namespace at once."""
_LOCAL = (Reason.INVALID_ENDPOINT, Reason.INVALID_CREDENTIALS)
"""Problems that are found without a request."""
_ATTEMPTS = 2
"""Tries of a request. Few, since a source that does not respond occupies one of the concurrent probes."""
PROBE_SECONDS = 120.0
"""Longest time that a probe takes: ten times that of the most objects that the operator lists by default. A service
that answers byte by byte would keep its slot for ever."""
_log = logging.getLogger(__name__)


class Prober(Background[Key, ProbeResult]):
    """Last probe of each Dataset's source, and the probes that are running."""

    def __init__(self, list_source: ListSource | None = None, sleep: Sleep = asyncio.sleep) -> None:
        super().__init__(_CONCURRENT_PROBES, _SHARE)
        self._list_source = list_source or list_s3_source
        self._sleep = sleep

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
        credentials: Credentials,
        max_objects: int,
        rules: AddressRules,
        enqueue: Callable[[Key], None],
    ) -> None:
        """Start a probe in the background, unless one is running; enqueue the key when the probe has ended."""

        async def run() -> ProbeResult:
            async with self._slots.hold(key.namespace):
                at = datetime.now(UTC)
                requests = BoundedRequests(rules)
                async with self._deadline(requests):
                    outcome = await _outcome(
                        place, lambda: self._list_source(place, credentials, max_objects, requests)
                    )
            return self._result(key, uid, generation, at, outcome)

        self._start(key, key, run, enqueue)

    def record(
        self,
        key: Key,
        uid: str,
        generation: int,
        at: datetime,
        outcome: ProbeOutcome,
    ) -> ProbeResult:
        """Keep the outcome of a probe as the last one, and count transient problems in a row."""
        self._results[key] = self._result(key, uid, generation, at, outcome)
        return self._results[key]

    @contextlib.asynccontextmanager
    async def _deadline(self, requests: BoundedRequests) -> AsyncIterator[None]:
        """End the requests with the context, or after the longest time of a probe."""

        async def end_later() -> None:
            await self._sleep(PROBE_SECONDS)
            requests.end()

        timer = asyncio.create_task(end_later())
        try:
            yield
        finally:
            timer.cancel()
            requests.end()

    def _result(
        self,
        key: Key,
        uid: str,
        generation: int,
        at: datetime,
        outcome: ProbeOutcome,
    ) -> ProbeResult:
        before = self.last(key, uid, generation)
        failures = 0
        if isinstance(outcome, SourceProblem) and outcome.kind == "Transient":
            failures = (before.failures if before else 0) + 1
        return ProbeResult(at, uid, generation, outcome, failures)


def list_s3_source(
    place: S3Place, credentials: Credentials, max_objects: int, requests: BoundedRequests
) -> ListingSummary | TooManyObjects:
    """List the objects below a place. Raises S3Error."""
    return probe(make_client(place, credentials, attempts=_ATTEMPTS, requests=requests), place, max_objects)


async def _outcome(
    place: S3Place, list_source: Callable[[], ListingSummary | TooManyObjects]
) -> ListingSummary | TooManyObjects | SourceProblem:
    try:
        return await _in_thread(list_source)
    except S3Error as error:
        return source_problem(error) if error.answered or error.reason in _LOCAL else _no_answer(place)
    except Exception as error:
        _log.exception("probing a source failed")
        return SourceProblem("Transient", "ProbeError", f"{type(error).__name__}: {error}")


def _no_answer(place: S3Place) -> SourceProblem:
    """Return the same words for all that is not an answer of S3: others would let a user scan ports."""
    where = f'"{place.bucket}" at {place.endpoint or "AWS"}'
    return SourceProblem(
        "Transient",
        Reason.ENDPOINT_UNREACHABLE.value,
        f"bucket {where}: no answer of an S3 service; check endpoint, port and certificate, and that the operator may"
        " connect to the address",
    )


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
