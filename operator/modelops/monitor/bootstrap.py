"""Envoy's bootstrap, as data. Pure: the same settings give the same document.

Three listeners: `ingress` takes requests and passes them to the model on loopback, `stats` lets Prometheus read two
paths and the kubelet a third, and the admin interface answers on loopback only, since it can end the process.
"""

from typing import Any

from modelops.monitor.settings import Settings

LOOPBACK = "127.0.0.1"
NOBODY = "0.0.0.0"
"""An address that no client has."""
BUFFER_BYTES = 2**20
MOST_AT_ONCE = 10_000
UPSTREAM_IDLE = "4s"
"""Shorter than uvicorn's default keep-alive of 5 s, and so than any usual server's: Envoy, never the model, closes an
idle connection. Otherwise a request could be written to one that the model is just closing, and would be lost."""
STREAM_IDLE = "900s"
"""The longest silence within a request. Only this ends a request that hangs, so it allows for slow generation."""
LATENCY_MS = [
    0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750,
    1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000, 300_000,
]  # fmt: skip
"""Steps of at most 2, mostly 1.5: a canary's p99 is compared with the stable version's by a ratio."""
STATS = ["http.ingress.downstream_", "cluster.model", "server.", "listener.ingress.downstream_", "overload."]

Json = dict[str, Any]


def bootstrap(settings: Settings) -> Json:
    """Build the whole document."""
    clusters = [
        _cluster("model", settings.model_port, http1=True),
        _cluster("admin", settings.admin_port, http1=True),
        _cluster("monitor", settings.monitor_port, http1=True),
    ]
    if settings.model_grpc_port:
        clusters.append(_cluster("model_grpc", settings.model_grpc_port, http1=False))
    return {
        "node": {"id": settings.revision or "proxy", "cluster": settings.inference_service or "modelops"},
        "admin": {"address": _address(LOOPBACK, settings.admin_port)},
        "static_resources": {"listeners": [_ingress(settings), _stats(settings)], "clusters": clusters},
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in STATS]}},
            "histogram_bucket_settings": [{"match": {"suffix": "rq_time"}, "buckets": LATENCY_MS}],
        },
        "overload_manager": _overload(settings.envoy_heap_bytes),
    }


def header_text(value: str) -> str:
    """Text as a header's value: Envoy would read `%…%` as a command of its own."""
    return value.replace("%", "%%")


def _ingress(settings: Settings) -> Json:
    routes: list[Json] = [{"match": {"prefix": "/"}, "route": _to_model("model")}]
    if settings.model_grpc_port:
        routes.insert(0, {"match": {"prefix": "/", "grpc": {}}, "route": _to_model("model_grpc")})
    manager = _connection_manager(
        "ingress",
        {
            "name": "model",
            "virtual_hosts": [{"name": "model", "domains": ["*"], "routes": routes}],
            "response_headers_to_add": _marks(settings),
        },
    )
    manager |= {
        "codec_type": "AUTO",  # HTTP/1.1, or h2c by prior knowledge, which is what gRPC speaks inside a cluster
        # Nobody before this proxy is trusted to steer it by x-envoy-… headers, such as one that repeats a POST. With no
        # range at all Envoy would trust every private address, and so every Pod.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": NOBODY, "prefix_len": 32}]},
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "stream_idle_timeout": STREAM_IDLE,
        "request_headers_timeout": "30s",
        "http2_protocol_options": {"max_concurrent_streams": 1_000},
        "common_http_protocol_options": {"idle_timeout": "3600s"},
    }
    return _listener("ingress", settings.listen_address, settings.listen_port, manager)


def _stats(settings: Settings) -> Json:
    routes = [
        _page("/metrics", "admin", "/stats/prometheus"),
        _page("/monitor/metrics", "monitor", "/metrics"),
        _page("/ready", "admin", "/ready"),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    virtual_hosts = [{"name": "stats", "domains": ["*"], "routes": routes}]
    manager = _connection_manager("stats", {"name": "stats", "virtual_hosts": virtual_hosts})
    listener = _listener("stats", settings.listen_address, settings.stats_port, manager)
    return listener | {"bypass_overload_manager": True}  # figures matter most when there is too much to do


def _page(path: str, cluster: str, upstream_path: str) -> Json:
    """One exact path, GET only: nothing else of what lies behind it can be reached from the network."""
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return {
        "match": {"path": path, "headers": [get]},
        "route": {"cluster": cluster, "prefix_rewrite": upstream_path, "timeout": "10s"},
    }


def _to_model(cluster: str) -> Json:
    return {
        "cluster": cluster,
        "timeout": "0s",  # answers may be streams; STREAM_IDLE ends the dead ones
        # Only what certainly never reached the model is tried again, once: a POST must not be carried out twice.
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 1},
    }


def _marks(settings: Settings) -> list[Json]:
    """Every answer says which version and revision gave it, whatever the model itself claims."""
    marks = {
        "x-modelops-model-version": settings.model_version,
        "x-modelops-revision": settings.revision,
    }
    return [
        {"header": {"key": key, "value": header_text(value)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in marks.items()
        if value
    ]


def _connection_manager(stat_prefix: str, routes: Json) -> Json:
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": kind,
        "stat_prefix": stat_prefix,
        "route_config": routes,
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": router, "suppress_envoy_headers": True},
            }
        ],
    }


def _listener(name: str, address: str, port: int, manager: Json) -> Json:
    return {
        "name": name,
        "stat_prefix": name,
        "address": _address(address, port),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _cluster(name: str, port: int, *, http1: bool) -> Json:
    protocol: Json = {"http_protocol_options": {}} if http1 else {"http2_protocol_options": {}}
    most = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {"thresholds": [dict.fromkeys(most, MOST_AT_ONCE)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(LOOPBACK, port)}}]}],
        },
    }


def _address(address: str, port: int) -> Json:
    both_families = {"ipv4_compat": True} if address == "::" else {}
    return {"socket_address": {"address": address, "port_value": port, **both_families}}


def _overload(heap_bytes: int) -> Json:
    """Refuse some requests rather than lose all of them to the kernel's memory killer."""
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"

    def above(share: float) -> list[Json]:
        return [{"name": heap, "threshold": {"value": share}}]

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
                    "max_active_downstream_connections": MOST_AT_ONCE,
                },
            },
        ],
        "actions": [
            {"name": "envoy.overload_actions.shrink_heap", "triggers": above(0.9)},
            {"name": "envoy.overload_actions.stop_accepting_requests", "triggers": above(0.97)},
        ],
    }
