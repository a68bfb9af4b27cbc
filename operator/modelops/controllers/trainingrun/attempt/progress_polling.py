"""Poll sidecars for their trainers' progress: in the background, a few at a time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

import aiohttp
from yarl import URL

from modelops.api.addresses import POD_ADDRESSES
from modelops.api.checkpoints import newest_checkpoints
from modelops.api.contract.reports import ProgressReport
from modelops.api.contract.tasks import PROGRESS_PORT
from modelops.controllers.background import Background
from modelops.controllers.bounded_http import get, open_session
from modelops.machinery import metrics
from modelops.machinery.resources import Key

POLL_EVERY = timedelta(seconds=15)
"""Shortest time between two polls of a run, and so between two writes of its progress: every write goes to etcd and to
all watches. A run whose trainer runs is requeued after this time."""
_AT_ONCE = 16
_SHARE = 4
"""Polls of one namespace at once."""
_TIMEOUT_SECONDS = 2.0
_MAX_BYTES = 1 << 20


class _Run(NamedTuple):
    """A TrainingRun: a second one of the same name has another UID."""

    key: Key
    uid: str


@dataclass(frozen=True)
class _Poll:
    """Last report of a run's sidecars."""

    pod_uid: str = ""
    """Pod that the report is of."""
    report: ProgressReport | None = None
    ended_at: float = field(default=float("-inf"), compare=False)
    """End of the last poll, by the event loop's clock; also of one without an answer."""


class ProgressPoller(Background[_Run, _Poll]):
    """Last report of each run's sidecar, and the polls under way.

    Progress fails open: a sidecar that does not answer is counted in a metric, and polled again later.
    """

    def __init__(self, port: int = PROGRESS_PORT) -> None:
        super().__init__(_AT_ONCE, _SHARE)
        self._port = port

    def last(self, key: Key, run_uid: str, pod_uid: str) -> ProgressReport | None:
        """Return the last report, None without one. UIDs exclude reports of a namesake, and of an earlier Pod."""
        poll = self._results.get(_Run(key, run_uid))
        return poll.report if poll is not None and poll.pod_uid == pod_uid else None

    def start(
        self,
        key: Key,
        run_uid: str,
        pod_uid: str,
        address: str,
        enqueue: Callable[[Key], None],
        others: Sequence[str] = (),
    ) -> None:
        """Poll the sidecar at a Pod's IP address, unless that was done lately. Wake the run for a new report.

        `others` are the addresses of a gang's other Pods: of their reports only the checkpoints are kept.
        """
        run = _Run(key, run_uid)
        clock = asyncio.get_running_loop().time
        last = self._results.setdefault(run, _Poll())
        if not address or clock() - last.ended_at < POLL_EVERY.total_seconds():
            return

        async def poll() -> _Poll:
            addresses = (address, *others)
            report, *more = await asyncio.gather(*(self._poll(key.namespace, each) for each in addresses))
            if report is None:
                return replace(last, ended_at=clock())
            known = last.report.checkpoints if last.report is not None and last.pod_uid == pod_uid else []
            saved = (answer.checkpoints for answer in (report, *more) if answer is not None)
            merged = report.model_copy(update={"checkpoints": newest_checkpoints(known, *saved)})
            return _Poll(pod_uid, merged, clock())

        self._start(key, run, poll, enqueue)

    async def _poll(self, namespace: str, address: str) -> ProgressReport | None:
        async with self._slots.hold(namespace):
            try:
                report = await _fetch_report(address, self._port)
            except (aiohttp.ClientError, OSError, ValueError):
                metrics.PROGRESS_POLLS.labels(result="failure").inc()
                return None
        metrics.PROGRESS_POLLS.labels(result="success").inc()
        return report


async def _fetch_report(address: str, port: int) -> ProgressReport:
    """Return a sidecar's report.

    Raises ClientError, OSError (a timeout too) and ValueError: any program may listen there.
    """
    url = URL.build(scheme="http", host=address, port=port, path="/progress")
    async with open_session(_TIMEOUT_SECONDS, POD_ADDRESSES) as session:
        return ProgressReport.model_validate_json(await get(session, url, _MAX_BYTES))
