"""Which of Envoy's figures are kept, and which of those the operator judges a version by. Pure."""

from urllib.parse import quote

LATENCY_MS = [
    0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750,
    1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000,
]  # fmt: skip
"""Steps of at most 2, mostly 1.5: a canary's p99 is compared with the stable version's by a ratio."""
KEPT = (
    "http.ingress.downstream_",
    "http.ingress.rds.",
    "cluster.model",
    "cluster.candidate",
    "server.",
    "listener.ingress.downstream_",
    "overload.",
    "access_logs.grpc_access_log.",
    "http.ingress.lua.",
)
"""What the names of those that are kept begin with."""
_JUDGED = (
    r"^cluster\.(model|candidate)(_grpc)?\.(canary\.)?upstream_"
    r"(rq_([1-5]xx|429|completed|active|total|timeout|active_overflow|pending_overflow|rx_reset|tx_reset|time)"
    r"|cx_connect_fail)$"
)
"""A request that overflows counts among 5xx and completed as well, though its client was told 429. Those of the
candidate as a canary are what it answered itself, without what the Pod's own model answered in its place."""
FIGURES = f"/stats?format=json&histogram_buckets=cumulative&filter={quote(_JUDGED, safe='')}"
"""The page of the admin interface with the figures of both versions' requests, without those of probes."""
FLUSHED_EVERY = "1s"
"""Envoy adds what was measured to its histograms this often: until then latencies lag behind the counters."""
ROUTES = "/config_dump?resource=dynamic_route_configs"
"""The page of the admin interface that tells which routes Envoy has taken."""
