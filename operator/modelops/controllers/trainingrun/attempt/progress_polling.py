"""Asking sidecars how far their trainers are: in the background, a few at a time, and never in a worker's time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from yarl import URL

from modelops.api.contract.reports import ProgressReport
from modelops.api.contract.tasks import PROGRESS_PORT
from modelops.machinery import metrics
from modelops.machinery.resources import Key

POLL_EVERY = timedelta(seconds=15)
"""How often a run's sidecar is asked at most, and so how often its status gets other progress: every write goes to etcd
and to all who watch. A run whose trainer runs is looked at again after so long."""
_AT_ONCE = 16
_TIMEOUT_SECONDS = 2.0
_MOST_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16


@dataclass
class _Run:
    """What is remembered of one run. `asked_at` is by the event loop's clock."""

    key: Key
    asked_at: float = float("-inf")
    asking: asyncio.Task[None] | None = None
    pod_uid: str = ""
    report: ProgressReport | None = None
    """That of the Pod."""


class ProgressPoller:
    """The last report of each run's sidecar, and the questions under way.

    Monitoring fails open: a sidecar that does not answer is asked again later, and counted, and that is all.
    """

    def __init__(self, port: int = PROGRESS_PORT) -> None:
        self._port = port
        self._runs: dict[str, _Run] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    def last(self, run_uid: str, pod_uid: str) -> ProgressReport | None:
        """The last report of this very Pod of this very run."""
        run = self._runs.get(run_uid)
        return run.report if run is not None and run.pod_uid == pod_uid else None

    def start(self, key: Key, run_uid: str, pod_uid: str, address: str, enqueue: Callable[[Key], None]) -> None:
        """Ask the sidecar at a Pod's IP address, unless that was done lately, and wake the run for a new report."""
        run = self._runs.setdefault(run_uid, _Run(key))
        now = asyncio.get_running_loop().time()
        if run.asking is not None or not address or now - run.asked_at < POLL_EVERY.total_seconds():
            return

        async def ask() -> None:
            report = None
            try:
                async with self._places:
                    report = await _answer(address, self._port)
                metrics.PROGRESS_POLLS.labels(result="success").inc()
            except (aiohttp.ClientError, OSError, ValueError):
                metrics.PROGRESS_POLLS.labels(result="failure").inc()
            finally:
                run.asking, run.asked_at = None, asyncio.get_running_loop().time()
            if report is not None and (pod_uid, report) != (run.pod_uid, run.report):
                run.pod_uid, run.report = pod_uid, report
                enqueue(key)

        run.asking = asyncio.create_task(ask(), name=f"progress of {key}")

    def keep_only(self, exists: Callable[[Key], bool]) -> None:
        """Forget runs that are gone."""
        self._runs = {uid: run for uid, run in self._runs.items() if exists(run.key)}

    def __len__(self) -> int:
        return len(self._runs)


async def _answer(address: str, port: int) -> ProgressReport:
    """A sidecar's report. Raises ClientError, OSError (a timeout too) and ValueError: who answers may be anybody."""
    url = URL.build(scheme="http", host=address, port=port, path="/progress")
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session,
        # A redirect would have the operator ask where it was told to.
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        content = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise ValueError(f"an answer of more than {_MOST_BYTES} bytes")
        return ProgressReport.model_validate_json(content)
