"""Statistics of Pods' proxies: what they counted, and which routes they apply."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from modelops.controllers.bounded_http import Slot, fetch_each, get
from modelops.controllers.inferenceservice.analysis import envoy_stats
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.pod.template import STATS_PORT

_TIMEOUT_SECONDS = 1.0
_WITHIN_SECONDS = 10.0
"""Bound on the time for all Pods, whose number has none."""
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ProxyStats:
    """Statistics of one Pod's proxy."""

    model: Counters
    """Requests that the Pod's own model answered."""
    candidate: Counters
    """Requests that the proxy passed or mirrored to the candidate."""
    in_flight: int
    """Requests that the Pod's own model is working on."""
    routes: str | None
    """Name of the routes that the proxy applies."""


async def fetch_proxy_stats(
    addresses: Iterable[str], slot: Slot, port: int = STATS_PORT
) -> dict[str, ProxyStats | None]:
    """Return the statistics of the proxies at these Pod IPs.

    The value is None where a proxy does not answer properly: its Pod may be starting or terminating.
    """

    async def fetch(session: aiohttp.ClientSession, address: str) -> ProxyStats:
        stats, routes = await asyncio.gather(*(_page(session, address, port, path) for path in ("/figures", "/routes")))
        return ProxyStats(
            model=envoy_stats.counters(stats, "model"),
            candidate=envoy_stats.counters(stats, "candidate"),
            in_flight=envoy_stats.in_flight(stats, "model"),
            routes=envoy_stats.applied_routes(routes),
        )

    return await fetch_each(
        addresses, fetch, timeout_seconds=_TIMEOUT_SECONDS, within_seconds=_WITHIN_SECONDS, slot=slot
    )


async def _page(session: aiohttp.ClientSession, address: str, port: int, path: str) -> envoy_stats.Json:
    url = URL.build(scheme="http", host=address, port=port, path=path)
    return envoy_stats.parse_json(await get(session, url, _MAX_BYTES))
