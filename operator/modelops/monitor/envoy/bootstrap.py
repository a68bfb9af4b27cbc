"""Envoy's bootstrap, as data. Pure: the same settings give the same document.

Listeners: `ingress` takes requests and passes them to the model on loopback, or to a candidate, as the routes say that
it reads from a file; `instead` takes from there, on loopback, what did not reach a candidate, and passes it to the
model; `stats` lets Prometheus, the kubelet and the operator read a few exact paths; and the admin interface answers on
loopback only, since it can end the process.
"""

from pathlib import PurePosixPath
from typing import Any

from modelops.api.contract.proxy import FORWARDED_HEADER, RETRY_POLICY
from modelops.monitor.envoy.body_limit import body_limit
from modelops.monitor.envoy.capture_config import capture_cluster, capture_filter, capture_log
from modelops.monitor.envoy.local_replies import replies
from modelops.monitor.envoy.stats import FIGURES, FLUSHED_EVERY, KEPT, LATENCY_MS, ROUTES
from modelops.monitor.envoy.upstreams import BUFFER_BYTES, INSTEAD, LOOPBACK, MOST_AT_ONCE, clusters, socket_address
from modelops.monitor.settings import Settings

NOBODY = "0.0.0.0"
"""An address that no client has."""
ANSWERS = "[0-9a-f,]+"
"""The names of kept answers that are asked for."""
STREAM_IDLE = "900s"
"""The longest silence within a request. Without a deadline only this ends a request that hangs, so it allows for slow
generation."""

Json = dict[str, Any]

_GUARDED: Json = {
    # Nobody before this proxy is trusted to steer it by x-envoy-… headers, such as one that repeats a POST. With no
    # range at all Envoy would trust every private address, and so every Pod.
    "internal_address_config": {"cidr_ranges": [{"address_prefix": NOBODY, "prefix_len": 32}]},
    "stream_idle_timeout": STREAM_IDLE,
    "request_headers_timeout": "30s",
    "http2_protocol_options": {"max_concurrent_streams": 1_000},
    "common_http_protocol_options": {"idle_timeout": "3600s"},
}
"""Whom both listeners for requests trust, and how long they wait."""


def bootstrap(settings: Settings) -> Json:
    """Build the whole document."""
    found = [*clusters(settings), capture_cluster(settings)]
    listeners = [_ingress(settings), _stats(settings), *([_instead(settings)] if settings.candidate_host else [])]
    return {
        "node": {"id": settings.revision or "proxy", "cluster": settings.inference_service or "modelops"},
        "admin": {"address": socket_address(LOOPBACK, settings.admin_port)},
        "static_resources": {"listeners": listeners, "clusters": found},
        "stats_flush_interval": FLUSHED_EVERY,
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in KEPT]}},
            "histogram_bucket_settings": [{"match": {"suffix": "rq_time"}, "buckets": LATENCY_MS}],
        },
        "overload_manager": _overload(settings.envoy_heap_bytes),
    }


def _ingress(settings: Settings) -> Json:
    manager = _connection_manager("ingress", [*body_limit(settings.max_body_bytes), capture_filter()]) | {
        "rds": {"route_config_name": "model", "config_source": _watched(settings.routes_path)},
        "local_reply_config": replies(settings),
        "access_log": [capture_log()],
        "codec_type": "AUTO",  # HTTP/1.1, or h2c by prior knowledge, which is what gRPC speaks inside a cluster
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        **_GUARDED,
    }
    return _listener("ingress", settings.listen_address, settings.listen_port, manager)


def _instead(settings: Settings) -> Json:
    """A cluster's own limit cannot be had by an endpoint of another one, so that requests come by here. All that is
    decided about them once has been: their path, their headers and their deadline.
    """
    grpc = [_passed({"prefix": "/", "grpc": {}}, "model_grpc")] if settings.model_grpc_port else []
    virtual_hosts = [{"name": "instead", "domains": ["*"], "routes": [*grpc, _passed({"prefix": "/"}, "model")]}]
    manager = _connection_manager("instead", []) | {
        "route_config": {"name": "instead", "virtual_hosts": virtual_hosts},
        "local_reply_config": replies(settings),
        "generate_request_id": False,
        **_GUARDED,
    }
    return _listener("instead", INSTEAD, settings.admin_port, manager)


def _passed(match: Json, cluster: str) -> Json:
    """Without a deadline of its own, and tried again only if it certainly did not reach the model. What told the
    candidate's proxy who passes a request on is nothing for the model.
    """
    route = {"cluster": cluster, "timeout": "0s", "retry_policy": RETRY_POLICY}
    return {"match": match, "route": route, "request_headers_to_remove": [FORWARDED_HEADER]}


def _watched(path: str) -> Json:
    """A file of a ConfigMap: the kubelet never writes to it, but replaces a link in its directory."""
    directory = str(PurePosixPath(path).parent)
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": path, "watched_directory": {"path": directory}},
    }


def _stats(settings: Settings) -> Json:
    routes = [
        _page("/metrics", "admin", "/stats/prometheus"),
        _page("/monitor/metrics", "monitor", "/metrics"),
        _exact(_page("/monitor/report", "monitor", "/report")),
        _answers(),
        _page("/ready", "admin", "/ready"),
        _exact(_page("/figures", "admin", FIGURES)),
        _exact(_page("/routes", "admin", ROUTES)),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]
    virtual_hosts = [{"name": "stats", "domains": ["*"], "routes": routes}]
    manager = _connection_manager("stats", []) | {"route_config": {"name": "stats", "virtual_hosts": virtual_hosts}}
    listener = _listener("stats", settings.listen_address, settings.stats_port, manager)
    return listener | {"bypass_overload_manager": True}  # figures matter most when there is too much to do


def _page(path: str, cluster: str, upstream_path: str) -> Json:
    """One exact path, GET only: nothing else of what lies behind it can be reached from the network."""
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return {
        "match": {"path": path, "headers": [get]},
        "route": {"cluster": cluster, "prefix_rewrite": upstream_path, "timeout": "10s"},
    }


def _answers() -> Json:
    """Kept answers, for the monitors of a candidate's Pods: by names that only who has the same requests can know."""
    page = _page("/monitor/answers", "monitor", "/answers/")
    match = {"safe_regex": {"regex": f"/monitor/answers/{ANSWERS}"}, "headers": page["match"]["headers"]}
    rewrite = {"pattern": {"regex": "^/monitor/answers/"}, "substitution": "/answers/"}
    return {"match": match, "route": {"cluster": "monitor", "regex_rewrite": rewrite, "timeout": "10s"}}


def _exact(page: Json) -> Json:
    """A page whose query is fixed: a client's own would be added to it, and could ask for more."""
    match = page["match"]
    whole = {"name": ":path", "string_match": {"exact": match["path"]}}
    return {**page, "match": {**match, "headers": [*match["headers"], whole]}}


def _connection_manager(stat_prefix: str, filters: list[Json]) -> Json:
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": kind,
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
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


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
