"""What Envoy counted of a Pod's requests, read from its own pages. Pure.

`/figures` is Envoy's `/stats?format=json&histogram_buckets=cumulative`, `/routes` its `/config_dump` of dynamic routes.
Envoy shows a counter from its first count on, and a histogram only from its next flush on, a second later: how long
requests took is known a little later than how many there were.
"""

import bisect
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

Json = Any
Cluster = Literal["model", "candidate"]
Buckets = tuple[tuple[float, int], ...]
_THEIRS: dict[Cluster, str] = {"model": "", "candidate": ".canary"}
"""Where a candidate cannot be reached, its cluster leads to the stable Pod's own model. That is neither a merit nor a
fault of the candidate's, whose own endpoint is marked as a canary."""


class UnreadableStatsError(ValueError):
    """A page that is not what Envoy writes."""


@dataclass(frozen=True)
class Counters:
    """Requests that were answered, since Envoy began or within a window."""

    requests: int = 0
    errors: int = 0
    """How many of them with a 5xx status, or with 429: who turns a client away has failed it. A request that Envoy
    turned away itself, or that nobody answered in time, it counts as a 5xx."""
    buckets: Buckets = ()
    """How many took at most so many milliseconds, for rising times. Answers of Envoy's own are not among them."""

    @property
    def timed(self) -> int:
        """How many requests it is known of how long they took."""
        return self.buckets[-1][1] if self.buckets else 0

    @property
    def error_rate(self) -> float | None:
        """The share of errors; None without requests."""
        return self.errors / self.requests if self.requests else None

    def quantile(self, share: float) -> float | None:
        """Within how many milliseconds this share of the requests was answered; None without requests.

        Linear between the edges of a bucket, as if the requests in it were spread evenly. What took longer than the
        last edge is not counted by Envoy at all, so that this is the greatest answer.
        """
        if not self.timed:
            return None
        rank = share * self.timed
        index = next(index for index, (_, count) in enumerate(self.buckets) if count >= rank)
        upper, below_upper = self.buckets[index]
        lower, below_lower = self.buckets[index - 1] if index else (0.0, 0)
        return lower + (upper - lower) * (rank - below_lower) / (below_upper - below_lower)

    def since(self, before: Self) -> "Counters":
        """What came after `before`. Where anything is less than before Envoy has begun anew: all of it came after."""
        requests, errors = self.requests - before.requests, self.errors - before.errors
        edges = _edges(self.buckets, before.buckets)
        counts = [_at(self.buckets, edge) - _at(before.buckets, edge) for edge in edges]
        begun_anew = min(requests, errors, *counts) < 0 or counts != sorted(counts)
        return self if begun_anew else Counters(requests, errors, tuple(zip(edges, counts, strict=True)))

    def __add__(self, other: Self) -> "Counters":
        edges = _edges(self.buckets, other.buckets)
        return Counters(
            self.requests + other.requests,
            self.errors + other.errors,
            tuple((edge, _at(self.buckets, edge) + _at(other.buckets, edge)) for edge in edges),
        )


def parse_json(content: bytes) -> Json:
    """A page as JSON. Raises UnreadableStatsError."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableStatsError("it is no JSON") from error


def counters(stats: Json, cluster: Cluster) -> Counters:
    """What was counted of a cluster's requests, gRPC too. Raises UnreadableStatsError.

    `upstream_rq_completed` has each request once, whatever it took to answer it; `upstream_rq_total` has each try, and
    none where no connection came about. Of the candidate's, only those that it answered itself.
    """
    http, grpc = (_counters_of(stats, name + _THEIRS[cluster]) for name in (cluster, f"{cluster}_grpc"))
    return http + grpc


def in_flight(stats: Json, cluster: Cluster) -> int:
    """How many requests a cluster is working on right now, gRPC too. Raises UnreadableStatsError."""
    return sum(_value(stats, f"cluster.{name}.upstream_rq_active") for name in (cluster, f"{cluster}_grpc"))


def applied_routes(routes: Json) -> str | None:
    """The name of the virtual host in the routes that Envoy has taken; None where it has none. Raises UnreadableStatsError."""
    try:
        for config in routes.get("configs", []):
            taken = config.get("route_config", {})
            for host in taken.get("virtual_hosts", []):
                name = host["name"]
                if isinstance(name, str):
                    return name
    except (AttributeError, KeyError, TypeError) as error:
        raise UnreadableStatsError("it is no dump of Envoy's routes") from error
    return None


def _counters_of(stats: Json, cluster: str) -> Counters:
    prefix = f"cluster.{cluster}.upstream_rq_"
    errors = _value(stats, f"{prefix}5xx") + _value(stats, f"{prefix}429")
    return Counters(_value(stats, f"{prefix}completed"), errors, _buckets(stats, f"{prefix}time"))


def _value(stats: Json, name: str) -> int:
    for one in _stats(stats):
        if one.get("name") == name:
            return _count(one.get("value"))
    return 0


def _buckets(stats: Json, name: str) -> Buckets:
    try:
        for one in _stats(stats):
            for histogram in one.get("histograms", []):
                if histogram["name"] == name:
                    read = ((_edge(two["upper_bound"]), _count(two["cumulative"])) for two in histogram["buckets"])
                    return _rising(tuple(read))
    except (AttributeError, KeyError, TypeError) as error:
        raise UnreadableStatsError("its histograms are not as Envoy writes cumulative buckets") from error
    return ()


def _stats(stats: Json) -> list[dict[str, Any]]:
    stats = stats.get("stats") if isinstance(stats, dict) else None
    if not isinstance(stats, list) or not all(isinstance(one, dict) for one in stats):
        raise UnreadableStatsError("it has no list of figures")
    return stats


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UnreadableStatsError(f"{value!r} is no count")
    return value


def _edge(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UnreadableStatsError(f"{value!r} is no edge of a bucket")
    return float(value)


def _rising(buckets: Buckets) -> Buckets:
    edges, counts = [edge for edge, _ in buckets], [count for _, count in buckets]
    if edges != sorted(set(edges)) or counts != sorted(counts):
        raise UnreadableStatsError("its buckets do not rise")
    return buckets


def _edges(*several: Buckets) -> list[float]:
    return sorted({edge for buckets in several for edge, _ in buckets})


def _at(buckets: Buckets, edge: float) -> int:
    """How many took at most so long, for certain: of other edges, the nearest below."""
    index = bisect.bisect_right(buckets, edge, key=lambda bucket: bucket[0])
    return buckets[index - 1][1] if index else 0
