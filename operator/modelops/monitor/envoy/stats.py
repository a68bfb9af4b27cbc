"""Envoy's statistics: those kept, and those that an analysis reads. Pure."""

from urllib.parse import quote

LATENCY_BUCKETS_MS = [
    0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750,
    1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000,
]  # fmt: skip
"""Upper bounds of latency buckets, with steps of at most 2, mostly 1.5: analysis compares the candidate's p99 latency
with the stable version's by a ratio."""
KEPT_PREFIXES = (
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
"""Name prefixes of the statistics that Envoy keeps."""
_ANALYSIS_STATS = (
    r"^cluster\.(model|candidate)(_grpc)?\.(canary\.)?upstream_"
    r"(rq_([1-5]xx|429|completed|active|total|timeout|active_overflow|pending_overflow|rx_reset|tx_reset|time)"
    r"|cx_connect_fail)$"
)
"""A request rejected for overflow counts as 5xx and as completed too, although its client receives 429. The candidate's
`canary` statistics cover only what the candidate answered, without what this Pod's own model answered as fallback."""
ANALYSIS_STATS_PATH = f"/stats?format=json&histogram_buckets=cumulative&filter={quote(_ANALYSIS_STATS, safe='')}"
"""Path of the admin interface with the statistics of requests to both versions. Probes are not included."""
ACTIVE_STATS_PATH = "/stats?filter=http.ingress.downstream_rq_active&format=text"
"""Path of the admin interface with the number of requests in flight."""
START_DRAIN_PATH = "/drain_listeners?graceful&skip_exit"
"""Path of the admin interface that begins a drain: clients are asked to reconnect, and no request is refused."""
FLUSH_INTERVAL = "1s"
"""Interval at which Envoy merges measurements into histograms: latencies lag behind counters by up to this time."""
ROUTES_PATH = "/config_dump?resource=dynamic_route_configs&mask=version_info"
"""Path of the admin interface with the name of the routes in effect. The routes themselves have a rollout's token."""
