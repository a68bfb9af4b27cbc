"""Look at the pages of an InferenceService's Pods in the background: no reconcile waits for a Pod.

A decision rests on a look that began after the decision before it: one that is older could show routes that the
decision before has replaced. So a reconcile without a look begins one and decides nothing; the end of the look
enqueues the InferenceService, and its next reconcile takes the look.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from modelops.controllers.background import Background
from modelops.controllers.inferenceservice.analysis.proxy_stats import ProxyStats, fetch_proxy_stats
from modelops.controllers.inferenceservice.analysis.reports import MonitorReport, fetch_reports
from modelops.controllers.inferenceservice.pod.template import STATS_PORT
from modelops.machinery import metrics
from modelops.machinery.resources import Key
from modelops.machinery.scheduling.fair_budget import FairBudget
from modelops.machinery.scheduling.fair_slots import FairSlots

PageT = TypeVar("PageT")
_AT_ONCE, _SHARE = 64, 4
"""InferenceServices that are looked at, of all namespaces and of one. What does not answer takes up to 20 seconds."""
_PROXIES, _PROXIES_SHARE = 128, 32
"""Proxies that are asked at once."""
_MONITORS, _MONITORS_SHARE = 8, 2
"""Monitors that are asked at once. Few: a report can be large."""
_ENTRIES, _ENTRIES_SHARE = 1_000_000, 400_000
"""Bins, words and columns of all reports that are held until they are counted, of about 100 bytes each."""
_STALE_SECONDS = 30.0
"""Age at which a look is begun again: so much may have changed meanwhile that nothing should be decided by it."""
_log = logging.getLogger(__name__)


class _Service(NamedTuple):
    """An InferenceService: a second one of the same name has another UID."""

    key: Key
    uid: str


@dataclass(frozen=True, eq=False)
class Look:
    """Pages of Pods, by the Pod's name. None: the Pod does not answer."""

    proxy_stats: Mapping[str, ProxyStats | None] = field(default_factory=dict)
    monitor_reports: Mapping[str, MonitorReport | None] = field(default_factory=dict)
    ended_at: float = 0.0
    """End of the look, by the event loop's clock."""


class PodLooks(Background[_Service, Look]):
    """Looks that have ended and are not taken yet, and those that are running: one for each InferenceService."""

    def __init__(self, port: int = STATS_PORT) -> None:
        super().__init__(_AT_ONCE, _SHARE)
        self._port = port
        self._proxies = FairSlots(_PROXIES, _PROXIES_SHARE)
        self._monitors = FairSlots(_MONITORS, _MONITORS_SHARE)
        self._parsing = FairSlots(1, 1)
        """Parsing takes the CPU from everything else: one report at a time, in turns of namespaces."""
        self._entries: FairBudget[_Service] = FairBudget(_ENTRIES, _ENTRIES_SHARE)

    def take(self, key: Key, uid: str) -> Look | None:
        """Return a look that has ended, and forget it. None where there is none, or only one that is too old."""
        service = _Service(key, uid)
        if key in self._running:
            return None
        look = self._results.pop(service, None)
        self._entries.set(key.namespace, service, 0)
        if look is None or asyncio.get_running_loop().time() - look.ended_at > _STALE_SECONDS:
            return None
        return look

    def start(
        self, key: Key, uid: str, addresses: Mapping[str, str], enqueue: Callable[[Key], None], *, reports: bool
    ) -> None:
        """Look at Pods, by name and IP address, unless a look is running. Enqueue the InferenceService at its end.

        `reports`: read the reports of the monitors, too.
        """
        service = _Service(key, uid)

        async def look() -> Look:
            try:
                async with self._slots.hold(key.namespace):
                    return await self._look(service, addresses, reports=reports)
            except Exception:
                _log.exception("looking at the Pods of %s failed", key)
                return Look(dict.fromkeys(addresses), dict.fromkeys(addresses) if reports else {}, _now())

        self._start(key, service, look, enqueue)

    def keep_only(self, exists: Callable[[_Service], bool]) -> None:
        """Drop the looks of InferenceServices that do not exist."""
        super().keep_only(exists)
        self._entries.keep_only(exists)

    async def _look(self, service: _Service, addresses: Mapping[str, str], *, reports: bool) -> Look:
        namespace = service.key.namespace
        stats = await fetch_proxy_stats(addresses.values(), partial(self._proxies.hold, namespace), self._port)
        found: dict[str, MonitorReport | None] = {}
        if reports:
            found = await fetch_reports(
                addresses.values(),
                partial(self._monitors.hold, namespace),
                partial(self._parsing.hold, namespace),
                partial(self._fits, service),
                self._port,
            )
        return Look(_by_name(addresses, stats), _by_name(addresses, found) if reports else {}, _now())

    def _fits(self, service: _Service, entries: int) -> bool:
        fits = self._entries.set(service.key.namespace, service, self._entries.amount(service) + entries)
        if not fits:
            metrics.REPORTS_LEFT_OUT.inc()
        return fits


def _by_name(addresses: Mapping[str, str], pages: Mapping[str, PageT | None]) -> dict[str, PageT | None]:
    return {name: pages[address] for name, address in addresses.items()}


def _now() -> float:
    return asyncio.get_running_loop().time()
