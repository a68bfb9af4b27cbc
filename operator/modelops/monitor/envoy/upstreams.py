"""Envoy's clusters: where requests can go. Pure.

Everything but the candidate is on loopback: the model, this proxy's own admin interface and the monitor.
"""

import ipaddress
from typing import Any

from modelops.api.contract.proxy import ENDPOINT_METADATA
from modelops.monitor.settings import Settings

LOOPBACK = "127.0.0.1"
INSTEAD = "127.0.0.2"
"""Where this proxy answers with its own model instead of a candidate: loopback as well, and on the port of the admin
interface, which no model may have."""
BUFFER_BYTES = 2**20
MOST_AT_ONCE = 10_000
UPSTREAM_IDLE = "4s"
"""Shorter than uvicorn's default keep-alive of 5 s, and so than any usual server's: Envoy, never the model, closes an
idle connection. Otherwise a request could be written to one that the model is just closing, and would be lost."""
REQUESTS_PER_CONNECTION = 100
"""How many requests a connection to the candidate's Service serves: it leads to one Pod, and the next one may lead to
another, such as one that is new."""

Json = dict[str, Any]


def clusters(settings: Settings) -> list[Json]:
    """All of them. Probes have one of their own, so that they neither count as requests nor wait behind them."""
    most = settings.max_concurrency or MOST_AT_ONCE
    found = [
        _local("model", settings.model_port, http1=True, most=most),
        _local("model_probe", settings.model_port, http1=True),
        _local("admin", settings.admin_port, http1=True),
        _local("monitor", settings.monitor_port, http1=True),
    ]
    if settings.model_grpc_port:
        found.append(_local("model_grpc", settings.model_grpc_port, http1=False, most=most))
    if settings.candidate_host:
        found.append(_candidate("candidate", settings, http1=True))
    if settings.candidate_host and settings.model_grpc_port:
        found.append(_candidate("candidate_grpc", settings, http1=False))
    return found


def socket_address(address: str, port: int) -> Json:
    """An address as Envoy has it."""
    both_families = {"ipv4_compat": True} if address == "::" else {}
    return {"socket_address": {"address": address, "port_value": port, **both_families}}


def _local(name: str, port: int, *, http1: bool, most: int = MOST_AT_ONCE) -> Json:
    return {"type": "STATIC", **_cluster(name, LOOPBACK, port, {}, http1=http1, most=most)}


def _candidate(name: str, settings: Settings, *, http1: bool) -> Json:
    """The candidate's Service, by name: it is there before there is a candidate, and may have another address later.

    Where nobody answers there, as when its only Pod is replaced, this Pod's own model does, within its limits. What
    says so in the answer is the endpoint's metadata. What the candidate itself answered Envoy tells apart: it counts
    the requests of an endpoint that is marked as a canary once more.
    """
    options = {"max_requests_per_connection": REQUESTS_PER_CONNECTION}
    host = _absolute(settings.candidate_host)
    cluster = _cluster(name, host, settings.candidate_port, options, http1=http1, most=MOST_AT_ONCE)
    marks = {"version": settings.model_version, "revision": settings.revision}
    own = {
        "priority": 1,
        "lb_endpoints": [
            {
                "endpoint": {"address": socket_address(INSTEAD, settings.admin_port)},
                "metadata": {"filter_metadata": {ENDPOINT_METADATA: marks}},
            }
        ],
    }
    (theirs,) = cluster["load_assignment"]["endpoints"]
    theirs["lb_endpoints"][0]["metadata"] = {"filter_metadata": {"envoy.lb": {"canary": True}}}
    cluster["load_assignment"]["endpoints"] = [theirs, own]
    return {
        "type": "STRICT_DNS",
        # An address of either family will do; where there are both, IPv4 works on every node.
        "dns_lookup_family": "V4_PREFERRED",
        # The stable version must start, and serve, where nobody knows the candidate's name.
        "wait_for_warm_on_init": False,
        **cluster,
    }


def _absolute(host: str) -> str:
    """With a dot at its end a name is looked up once, not in each of the Pod's search domains first."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host if host.endswith(".") else f"{host}."
    return host


def _cluster(name: str, host: str, port: int, options: Json, *, http1: bool, most: int) -> Json:
    protocol: Json = {"http_protocol_options": {}} if http1 else {"http2_protocol_options": {}}
    limits = ("max_connections", "max_pending_requests", "max_retries")
    return {
        "name": name,
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": {"thresholds": [{**dict.fromkeys(limits, MOST_AT_ONCE), "max_requests": most}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE, **options},
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(host, port)}}]}],
        },
    }
