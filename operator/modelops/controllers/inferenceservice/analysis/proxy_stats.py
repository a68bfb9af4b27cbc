"""Looking at what Pods' proxies have counted and which routes they have taken: all of them at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from modelops.controllers.bounded_http import fetch_each, request
from modelops.controllers.inferenceservice.analysis import envoy_stats
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.pod.template import STATS_PORT

_AT_ONCE = 64
_TIMEOUT_SECONDS = 1.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class ProxyStats:
    """What a Pod's proxy says."""

    model: Counters
    """Of the requests that its own model answered."""
    candidate: Counters
    """Of those that it passed or mirrored to the candidate."""
    in_flight: int
    """How many requests its own model works on."""
    routes: str | None
    """The name of the routes that it has taken."""


async def fetch_proxy_stats(addresses: Iterable[str], port: int = STATS_PORT) -> dict[str, ProxyStats | None]:
    """What the proxies at these IP addresses say; None for one that does not answer, or not as it should: a Pod may
    just have come or be about to go, and that is no error.
    """

    async def look_at(client: aiohttp.ClientSession, address: str) -> ProxyStats:
        counted, taken = await asyncio.gather(*(_page(client, address, port, path) for path in ("/figures", "/routes")))
        return ProxyStats(
            model=envoy_stats.counters(counted, "model"),
            candidate=envoy_stats.counters(counted, "candidate"),
            in_flight=envoy_stats.in_flight(counted, "model"),
            routes=envoy_stats.applied_routes(taken),
        )

    return await fetch_each(addresses, look_at, timeout_seconds=_TIMEOUT_SECONDS, at_once=_AT_ONCE)


async def _page(client: aiohttp.ClientSession, address: str, port: int, path: str) -> envoy_stats.Json:
    url = URL.build(scheme="http", host=address, port=port, path=path)
    status, body = await request(client, "GET", url, _MOST_BYTES)
    if status != 200:
        raise ValueError(f"HTTP {status}")
    return envoy_stats.parse_json(body)
