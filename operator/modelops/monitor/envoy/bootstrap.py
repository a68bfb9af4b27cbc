"""Envoy's bootstrap configuration. Pure: equal settings give an equal document.

Listeners: `ingress` accepts requests and passes them to the model on loopback or to a candidate, by routes read from a
file. `fallback`, on loopback, accepts requests that could not reach a candidate and passes them to the model. `stats`
exposes a few exact paths to Prometheus, the kubelet and the operator, and `probe` the model's readiness to the kubelet.
`drain`, on loopback, has the two paths of the model container's preStop hook. The admin interface can terminate the
process and reset its figures, so it listens on a Unix socket that the model's container cannot see.
"""

from pathlib import PurePosixPath
from typing import Any

from modelops.api.contract.proxy import (
    ACTIVE_REQUESTS_PATH,
    DRAIN_PATH,
    FORWARDED_HEADER,
    MIRRORED_HEADER,
    RETRY_POLICY,
)
from modelops.monitor.envoy.body_limit import body_limit
from modelops.monitor.envoy.capture_config import capture_cluster, capture_filter, capture_log
from modelops.monitor.envoy.local_replies import local_reply_config
from modelops.monitor.envoy.paths import path_filter
from modelops.monitor.envoy.stats import (
    ACTIVE_STATS_PATH,
    ANALYSIS_STATS_PATH,
    FLUSH_INTERVAL,
    KEPT_PREFIXES,
    LATENCY_BUCKETS_MS,
    ROUTES_PATH,
    START_DRAIN_PATH,
)
from modelops.monitor.envoy.upstreams import (
    BUFFER_BYTES,
    FALLBACK,
    LOOPBACK,
    clusters,
    pipe,
    socket_address,
)
from modelops.monitor.settings import Settings

_OWNER_ONLY = 0o600
NO_CLIENT = "0.0.0.0"
"""Address that no client has."""
MAX_REGEX_SIZE = 100_000
PREDICTION_KEYS = "[0-9a-f,]+"
"""Regular expression of request keys, separated by commas."""
PAGES_IDLE = "15s"
"""Idle timeout of connections to the pages, which are not limited in number."""
STREAM_WINDOW_BYTES = 2**20
CONNECTION_WINDOW_BYTES = 4 * 2**20
"""Bytes that a client may send over HTTP/2 before the model has read them. Envoy's default is 16 MiB a stream."""

Json = dict[str, Any]


def bootstrap(settings: Settings) -> Json:
    """Build Envoy's bootstrap configuration: listeners, clusters, admin address and memory limits."""
    all_clusters = [*clusters(settings), capture_cluster(settings)]
    fallback = [_fallback(settings)] if settings.candidate_host else []
    listeners = [_ingress(settings), _stats(settings), _probe(settings), _drain(settings), *fallback]
    return {
        "node": {"id": settings.revision or "proxy", "cluster": settings.inference_service or "modelops"},
        "admin": {"address": pipe(settings.admin_socket, mode=_OWNER_ONLY)},
        "static_resources": {"listeners": listeners, "clusters": all_clusters},
        "stats_flush_interval": FLUSH_INTERVAL,
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in KEPT_PREFIXES]}},
            "histogram_bucket_settings": [{"match": {"suffix": "rq_time"}, "buckets": LATENCY_BUCKETS_MS}],
        },
        # The regular expression of `paths`, which no client writes, is longer than Envoy allows by default.
        "layered_runtime": {
            "layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": MAX_REGEX_SIZE}}]
        },
        "overload_manager": _overload(settings.envoy_heap_bytes, settings.max_connections),
    }


def _hardening(settings: Settings) -> Json:
    """Build the trust and the timeouts of both listeners that accept requests."""
    windows = {
        "max_concurrent_streams": 1_000,
        "initial_stream_window_size": STREAM_WINDOW_BYTES,
        "initial_connection_window_size": CONNECTION_WINDOW_BYTES,
    }
    return {
        # No client may steer this proxy by x-envoy-… headers, for example make it repeat a POST. With an empty list,
        # Envoy would trust all private addresses, and so every Pod.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": NO_CLIENT, "prefix_len": 32}]},
        "stream_idle_timeout": f"{settings.stream_idle_seconds}s",
        "request_headers_timeout": "30s",
        "http2_protocol_options": windows,
        "common_http_protocol_options": {"idle_timeout": f"{settings.connection_idle_seconds}s"},
    }


def _ingress(settings: Settings) -> Json:
    filters = [*path_filter(settings.paths), *body_limit(settings.max_body_bytes), capture_filter()]
    manager = _http_connection_manager("ingress", filters) | {
        "rds": {"route_config_name": "model", "config_source": _watched_file(settings.accepted_routes_path)},
        "local_reply_config": local_reply_config(settings),
        "access_log": [capture_log()],
        "codec_type": "AUTO",  # HTTP/1.1, or HTTP/2 without TLS by prior knowledge, as gRPC uses inside a cluster
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        **_hardening(settings),
    }
    return _listener("ingress", settings.listen_address, settings.listen_port, manager)


def _fallback(settings: Settings) -> Json:
    """Build the listener that requests pass if a candidate cannot be reached.

    An endpoint of the candidate's cluster cannot use the circuit breaker of the model's cluster, so these requests are
    routed a second time. Path, headers and deadline were already settled by `ingress`.
    """
    grpc = [_fallback_route({"prefix": "/", "grpc": {}}, "model_grpc")] if settings.model_grpc_port else []
    virtual_hosts = [
        {"name": "fallback", "domains": ["*"], "routes": [*grpc, _fallback_route({"prefix": "/"}, "model")]}
    ]
    manager = _http_connection_manager("fallback", []) | {
        "route_config": {"name": "fallback", "virtual_hosts": virtual_hosts},
        "local_reply_config": local_reply_config(settings),
        "generate_request_id": False,
        **_hardening(settings),
    }
    return _listener("fallback", FALLBACK, settings.loopback_port, manager)


def _fallback_route(match: Json, cluster: str) -> Json:
    """Build a route to the model without a timeout, since `ingress` enforces the deadline.

    A request is retried only if it certainly did not reach the model. The headers meant for the candidate's proxy are
    removed.
    """
    route = {"cluster": cluster, "timeout": "0s", "retry_policy": RETRY_POLICY}
    return {"match": match, "route": route, "request_headers_to_remove": [FORWARDED_HEADER, MIRRORED_HEADER]}


def _watched_file(path: str) -> Json:
    """Build the source of a file that is moved into place."""
    directory = str(PurePosixPath(path).parent)
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": path, "watched_directory": {"path": directory}},
    }


def _stats(settings: Settings) -> Json:
    routes = [
        _page("/metrics", "admin", "/stats/prometheus"),
        _page("/monitor/metrics", "monitor", "/metrics"),
        _without_query(_page("/monitor/report", "monitor", "/report")),
        _predictions_page(),
        _page("/ready", "admin", "/ready"),
        _without_query(_page("/figures", "admin", ANALYSIS_STATS_PATH)),
        _without_query(_page("/routes", "admin", ROUTES_PATH)),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    return _pages("stats", settings.listen_address, settings.stats_port, routes)


def _probe(settings: Settings) -> Json:
    """Build the listener of the readiness probe: no number of clients' connections takes a ready model out."""
    probe = _page(settings.readiness_path.partition("?")[0], "model_probe", "")
    del probe["route"]["prefix_rewrite"]
    routes = [probe, {"match": {"prefix": "/"}, "direct_response": {"status": 404}}]
    return _pages("probe", settings.listen_address, settings.probe_port, routes)


def _drain(settings: Settings) -> Json:
    """Build the listener of the preStop hook, which runs in the model's container and so can ask for nothing else."""
    routes = [
        _without_query(_page(DRAIN_PATH, "admin", START_DRAIN_PATH, method="POST")),
        _without_query(_page(ACTIVE_REQUESTS_PATH, "admin", ACTIVE_STATS_PATH)),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    return _pages("drain", LOOPBACK, settings.loopback_port, routes)


def _pages(name: str, address: str, port: int, routes: list[Json]) -> Json:
    """Build a listener of a few pages. It answers under overload too, when statistics and drains matter most."""
    virtual_hosts = [{"name": name, "domains": ["*"], "routes": routes}]
    manager = _http_connection_manager(name, []) | {
        "route_config": {"name": name, "virtual_hosts": virtual_hosts},
        "request_headers_timeout": "5s",
        "stream_idle_timeout": "30s",
        "common_http_protocol_options": {"idle_timeout": PAGES_IDLE},
    }
    listener = _listener(name, address, port, manager)
    return listener | {"bypass_overload_manager": True, "ignore_global_conn_limit": True}


def _page(path: str, cluster: str, upstream_path: str, method: str = "GET") -> Json:
    """Build a route of one exact path and method: nothing else of the upstream can be reached from the network."""
    only = {"name": ":method", "string_match": {"exact": method}}
    return {
        "match": {"path": path, "headers": [only]},
        "route": {"cluster": cluster, "prefix_rewrite": upstream_path, "timeout": "10s"},
    }


def _predictions_page() -> Json:
    """Build the route to stored predictions, for the monitors of a candidate's Pods.

    Only a Pod with the same request knows its key.
    """
    page = _page("/monitor/answers", "monitor", "/answers/")
    match = {"safe_regex": {"regex": f"/monitor/answers/{PREDICTION_KEYS}"}, "headers": page["match"]["headers"]}
    rewrite = {"pattern": {"regex": "^/monitor/answers/"}, "substitution": "/answers/"}
    return {"match": match, "route": {"cluster": "monitor", "regex_rewrite": rewrite, "timeout": "10s"}}


def _without_query(page: Json) -> Json:
    """Return the page for requests without a query: a client's own would be appended to the upstream path."""
    match = page["match"]
    whole = {"name": ":path", "string_match": {"exact": match["path"]}}
    return {**page, "match": {**match, "headers": [*match["headers"], whole]}}


def _http_connection_manager(stat_prefix: str, filters: list[Json]) -> Json:
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    type_ = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": type_,
        "stat_prefix": stat_prefix,
        "http_filters": [
            *filters,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": router, "suppress_envoy_headers": True},
            },
        ],
    }


def _listener(name: str, address: str, port: int, manager: Json) -> Json:
    return {
        "name": name,
        "stat_prefix": name,
        "address": socket_address(address, port),
        # Otherwise another process of the Pod could listen at the same port, and get a part of the connections.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _overload(heap_bytes: int, max_connections: int) -> Json:
    """Build the overload manager. Rejecting some requests is better than losing all to the kernel's OOM killer."""
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"

    def above(fraction: float) -> list[Json]:
        return [{"name": heap, "threshold": {"value": fraction}}]

    def between(first: float, last: float) -> list[Json]:
        return [{"name": heap, "scaled": {"scaling_threshold": first, "saturation_threshold": last}}]

    timeouts = {
        "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
        "timer_scale_factors": [
            {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "2s"},
            {"timer": "HTTP_DOWNSTREAM_STREAM_IDLE", "min_timeout": "10s"},
        ],
    }

    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": heap_bytes,
                },
            },
            {
                "name": connections,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                    ".DownstreamConnectionsConfig",
                    "max_active_downstream_connections": max_connections,
                },
            },
        ],
        # Streams that hold at least 2 to the power of 20 bytes can be reset, the largest first.
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 20},
        "actions": [
            {
                "name": "envoy.overload_actions.reduce_timeouts",
                "triggers": between(0.7, 0.95),
                "typed_config": timeouts,
            },
            {"name": "envoy.overload_actions.reset_high_memory_stream", "triggers": between(0.85, 0.97)},
            {"name": "envoy.overload_actions.shrink_heap", "triggers": above(0.9)},
            {"name": "envoy.overload_actions.stop_accepting_requests", "triggers": above(0.97)},
        ],
    }
