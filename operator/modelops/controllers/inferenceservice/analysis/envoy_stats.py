"""Parse the statistics and routes that a Pod's Envoy serves. Pure.

`/figures` is Envoy's `/stats?format=json&histogram_buckets=cumulative`, `/routes` its `/config_dump` of dynamic routes.
Envoy shows a counter from its first count on, but a histogram only after its next flush, a second later: the duration
of requests is known a little later than their number.
"""

import bisect
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

Json = Any
Cluster = Literal["model", "candidate"]
Buckets = tuple[tuple[float, int], ...]
_ENDPOINT: dict[Cluster, str] = {"model": "", "candidate": ".canary"}
"""Prefix of the statistics of the cluster's own endpoint. Where the candidate cannot be reached, its cluster falls back
to the stable Pod's own model: those requests do not count for the candidate, whose endpoint is marked as a canary."""


class UnreadableStatsError(ValueError):
    """The response is not a statistics page of Envoy."""


@dataclass(frozen=True)
class Counters:
    """Answered requests, since Envoy's start or within a window."""

    requests: int = 0
    errors: int = 0
    """Requests with a 5xx status, or with 429: a version that rejects a client has failed. Envoy counts a request that
    Envoy itself rejects, or that times out, as a 5xx."""
    buckets: Buckets = ()
    """Pairs of milliseconds and the number of requests that took at most that long, rising. Responses of Envoy itself
    are not among them."""

    @property
    def timed(self) -> int:
        """Number of requests whose duration is known."""
        return self.buckets[-1][1] if self.buckets else 0

    @property
    def error_rate(self) -> float | None:
        """Share of errors, from 0 to 1; None without requests."""
        return self.errors / self.requests if self.requests else None

    def quantile(self, share: float) -> float | None:
        """Return the milliseconds within which this share of the requests was answered; None without requests.

        Linear between the edges of a bucket, as if its requests were spread evenly. The last edge is the greatest value
        returned: Envoy does not count requests that took longer.
        """
        if not self.timed:
            return None
        rank = share * self.timed
        index = next(index for index, (_, count) in enumerate(self.buckets) if count >= rank)
        upper, below_upper = self.buckets[index]
        lower, below_lower = self.buckets[index - 1] if index else (0.0, 0)
        return lower + (upper - lower) * (rank - below_lower) / (below_upper - below_lower)

    def since(self, before: Self) -> "Counters":
        """Return what was added after `before`. A count below that of `before` means a restart: then all of it was."""
        requests, errors = self.requests - before.requests, self.errors - before.errors
        edges = _edges(self.buckets, before.buckets)
        counts = [_at(self.buckets, edge) - _at(before.buckets, edge) for edge in edges]
        restarted = min(requests, errors, *counts) < 0 or counts != sorted(counts)
        return self if restarted else Counters(requests, errors, tuple(zip(edges, counts, strict=True)))

    def __add__(self, other: Self) -> "Counters":
        edges = _edges(self.buckets, other.buckets)
        return Counters(
            self.requests + other.requests,
            self.errors + other.errors,
            tuple((edge, _at(self.buckets, edge) + _at(other.buckets, edge)) for edge in edges),
        )


def parse_json(content: bytes) -> Json:
    """Parse a page.

    Raises UnreadableStatsError.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableStatsError("not JSON") from error


def counters(stats: Json, cluster: Cluster) -> Counters:
    """Return the counters of a cluster's requests over HTTP and gRPC. Of the candidate, only those it answered itself.

    Envoy's `upstream_rq_completed` counts each request once. `upstream_rq_total` counts each retry as well, and misses
    requests without a connection.

    Raises UnreadableStatsError.
    """
    http, grpc = (_counters_of(stats, name + _ENDPOINT[cluster]) for name in (cluster, f"{cluster}_grpc"))
    return http + grpc


def in_flight(stats: Json, cluster: Cluster) -> int:
    """Return the number of requests under way in a cluster, over HTTP and gRPC.

    Raises UnreadableStatsError.
    """
    return sum(_value(stats, f"cluster.{name}.upstream_rq_active") for name in (cluster, f"{cluster}_grpc"))


def applied_routes(dump: Json) -> str | None:
    """Return the name of the routes that Envoy applies; None without routes.

    Raises UnreadableStatsError.
    """
    try:
        for config in dump.get("configs", []):
            name = config.get("version_info")
            if isinstance(name, str):
                return name
    except (AttributeError, TypeError) as error:
        raise UnreadableStatsError("not a dump of Envoy's routes") from error
    return None


def _counters_of(stats: Json, cluster: str) -> Counters:
    prefix = f"cluster.{cluster}.upstream_rq_"
    errors = _value(stats, f"{prefix}5xx") + _value(stats, f"{prefix}429")
    return Counters(_value(stats, f"{prefix}completed"), errors, _buckets(stats, f"{prefix}time"))


def _value(stats: Json, name: str) -> int:
    for stat in _entries(stats):
        if stat.get("name") == name:
            return _count(stat.get("value"))
    return 0


def _buckets(stats: Json, name: str) -> Buckets:
    try:
        for stat in _entries(stats):
            for histogram in stat.get("histograms", []):
                if histogram["name"] == name:
                    return _rising(
                        tuple(
                            (_edge(bucket["upper_bound"]), _count(bucket["cumulative"]))
                            for bucket in histogram["buckets"]
                        )
                    )
    except (AttributeError, KeyError, TypeError) as error:
        raise UnreadableStatsError("histograms are not Envoy's cumulative buckets") from error
    return ()


def _entries(stats: Json) -> list[dict[str, Any]]:
    entries = stats.get("stats") if isinstance(stats, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnreadableStatsError("no list of statistics")
    return entries


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnreadableStatsError(f"{value!r} is not a count")
    return value


def _edge(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UnreadableStatsError(f"{value!r} is not an edge of a bucket")
    return float(value)


def _rising(buckets: Buckets) -> Buckets:
    edges, counts = [edge for edge, _ in buckets], [count for _, count in buckets]
    if edges != sorted(set(edges)) or counts != sorted(counts):
        raise UnreadableStatsError("buckets do not rise")
    return buckets


def _edges(*several: Buckets) -> list[float]:
    return sorted({edge for buckets in several for edge, _ in buckets})


def _at(buckets: Buckets, edge: float) -> int:
    """Return the number of requests that took at most this long: that of the nearest edge at or below."""
    index = bisect.bisect_right(buckets, edge, key=lambda bucket: bucket[0])
    return buckets[index - 1][1] if index else 0
