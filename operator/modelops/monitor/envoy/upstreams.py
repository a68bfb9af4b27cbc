"""Envoy's clusters: the destinations of requests. Pure.

All but the candidate are in the Pod: the model on loopback, this proxy's admin interface and the monitor at Unix
sockets, which the model's container cannot see.
"""

import ipaddress
from typing import Any

from modelops.api.contract.proxy import ENDPOINT_METADATA
from modelops.monitor.settings import Settings

LOOPBACK = "127.0.0.1"
FALLBACK = "127.0.0.2"
"""Address of the fallback listener, which answers with this Pod's model for a candidate that cannot be reached. The
address is on loopback, and its port is that of the drain listener, which no model can use."""
BUFFER_BYTES = 2**20
MAX_REQUESTS = 10_000
MAX_PAGES = 16
"""Requests for pages of the monitor, or of the admin interface, at the same time. Further ones get 503."""
UPSTREAM_IDLE = "4s"
"""Idle timeout of connections to models, shorter than uvicorn's default keep-alive of 5 s and so than any common
server's. Envoy must be the one to close idle connections: a request written to a connection that the model is closing
is lost."""
REQUESTS_PER_CONNECTION = 100
"""Requests per connection to the candidate's Service: a connection leads to one Pod, and only new connections reach
Pods that started later."""

Json = dict[str, Any]


def clusters(settings: Settings) -> list[Json]:
    """Build all clusters but the capture cluster.

    Probes have a separate cluster, so that they are not counted as requests and do not wait behind them.
    """
    max_requests = settings.max_concurrency or MAX_REQUESTS
    result = [
        _loopback_cluster("model", settings.model_port, http1=True, max_requests=max_requests),
        _loopback_cluster("model_probe", settings.model_port, http1=True),
        _socket_cluster("admin", settings.admin_socket),
        _socket_cluster("monitor", settings.monitor_socket),
    ]
    if settings.model_grpc_port:
        result.append(_loopback_cluster("model_grpc", settings.model_grpc_port, http1=False, max_requests=max_requests))
    if settings.candidate_host:
        result.append(_candidate_cluster("candidate", settings, http1=True))
    if settings.candidate_host and settings.model_grpc_port:
        result.append(_candidate_cluster("candidate_grpc", settings, http1=False))
    return result


def socket_address(address: str, port: int) -> Json:
    """Build Envoy's socket address. `::` listens on IPv4 as well."""
    ipv4 = {"ipv4_compat": True} if address == "::" else {}
    return {"socket_address": {"address": address, "port_value": port, **ipv4}}


def pipe(path: str, mode: int | None = None) -> Json:
    """Build Envoy's address of a Unix socket, and its permissions if Envoy creates the socket."""
    return {"pipe": {"path": path, **({"mode": mode} if mode is not None else {})}}


def _loopback_cluster(name: str, port: int, *, http1: bool, max_requests: int = MAX_REQUESTS) -> Json:
    address = socket_address(LOOPBACK, port)
    return {"type": "STATIC", **_cluster(name, address, {}, http1=http1, max_requests=max_requests)}


def _socket_cluster(name: str, path: str) -> Json:
    cluster = _cluster(name, pipe(path), {}, http1=True, max_requests=MAX_PAGES)
    cluster["circuit_breakers"]["thresholds"][0] |= {"max_connections": MAX_PAGES, "max_pending_requests": MAX_PAGES}
    return {"type": "STATIC", **cluster}


def _candidate_cluster(name: str, settings: Settings, *, http1: bool) -> Json:
    """Build the cluster of the candidate's Service, by name: the Service may not exist yet, or change its address.

    If the Service cannot be reached, for example while its only Pod is replaced, this Pod's own model answers through
    the fallback listener, within its limits. That endpoint's metadata carries the answering version. The candidate's
    endpoint is marked as canary, because Envoy keeps separate statistics for such endpoints: these count only what the
    candidate itself answered.
    """
    options = {"max_requests_per_connection": REQUESTS_PER_CONNECTION}
    address = socket_address(_fully_qualified(settings.candidate_host), settings.candidate_port)
    cluster = _cluster(name, address, options, http1=http1, max_requests=MAX_REQUESTS)
    version = {"version": settings.model_version, "revision": settings.revision}
    fallback = {
        "priority": 1,
        "lb_endpoints": [
            {
                "endpoint": {"address": socket_address(FALLBACK, settings.loopback_port)},
                "metadata": {"filter_metadata": {ENDPOINT_METADATA: version}},
            }
        ],
    }
    (candidate,) = cluster["load_assignment"]["endpoints"]
    candidate["lb_endpoints"][0]["metadata"] = {"filter_metadata": {"envoy.lb": {"canary": True}}}
    cluster["load_assignment"]["endpoints"] = [candidate, fallback]
    return {
        "type": "STRICT_DNS",
        # Either family works. If a name has both, IPv4 works on every node.
        "dns_lookup_family": "V4_PREFERRED",
        # The stable version must start and serve even if the candidate's name does not resolve.
        "wait_for_warm_on_init": False,
        **cluster,
    }


def _fully_qualified(host: str) -> str:
    """Return a host name with a trailing dot, so that it is not looked up in each search domain of the Pod first."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if host.endswith(".") else f"{host}."
    return host


def _cluster(name: str, address: Json, options: Json, *, http1: bool, max_requests: int) -> Json:
    protocol: Json = {"http_protocol_options": {}} if http1 else {"http2_protocol_options": {}}
    limits = ("max_connections", "max_pending_requests", "max_retries")
    return {
        "name": name,
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {"thresholds": [{**dict.fromkeys(limits, MAX_REQUESTS), "max_requests": max_requests}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE, **options},
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
