"""How Envoy carries requests and their answers to the monitor, where the routes say so. Pure.

A Lua filter, off but on routes that turn it on, copies bodies into the request's metadata; an access log sends what has
such metadata over a Unix socket, in batches. Neither ever waits for the monitor: what it does not take is dropped, and
counted.
"""

from pathlib import Path
from typing import Any

from modelops.api.contract.proxy import CAPTURE_FILTER, MIRRORED_HEADER
from modelops.monitor.settings import Settings

CLUSTER = "capture"
REQUEST_HEADERS = ("content-type", "inference-header-content-length", MIRRORED_HEADER)
RESPONSE_HEADERS = ("content-type", "inference-header-content-length")
BATCH_BYTES = 256 * 1024
"""How much each of Envoy's workers collects before it sends a batch, and how much more once it cannot."""
HELD_BYTES = 4 * 2**20
"""How much of what is sent each of them holds while the monitor takes none."""
_EVERY = "1s"

Json = dict[str, Any]


def capture_filter() -> Json:
    """The filter, off. It comes after the one that limits bodies: what that refuses is not copied."""
    lua = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    script = Path(__file__).with_name("capture.lua").read_text(encoding="ascii")
    return {
        "name": CAPTURE_FILTER,
        "disabled": True,
        "typed_config": {"@type": lua, "default_source_code": {"inline_string": script}},
    }


def capture_log() -> Json:
    """The access log of what the filter has kept."""
    kind = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
    kept = {"filter": CAPTURE_FILTER, "path": [{"key": "kept"}], "value": {"bool_match": True}}
    return {
        "name": "envoy.access_loggers.http_grpc",
        "filter": {"metadata_filter": {"matcher": kept, "match_if_key_not_found": False}},
        "typed_config": {
            "@type": kind,
            "common_config": {
                "log_name": CAPTURE_FILTER,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
                "buffer_flush_interval": _EVERY,
                "buffer_size_bytes": BATCH_BYTES,
            },
            "additional_request_headers_to_log": list(REQUEST_HEADERS),
            "additional_response_headers_to_log": list(RESPONSE_HEADERS),
        },
    }


def capture_cluster(settings: Settings) -> Json:
    """The monitor's socket."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    # Envoy holds as much for a stream that does not move as this window is wide: 16 MiB, unless told otherwise.
    window = {"initial_stream_window_size": HELD_BYTES, "initial_connection_window_size": HELD_BYTES}
    http2 = {
        "@type": f"type.googleapis.com/{options}",
        "explicit_http_config": {"http2_protocol_options": window},
    }
    address = {"pipe": {"path": settings.capture_socket}}
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": HELD_BYTES,
        "typed_extension_protocol_options": {options: http2},
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
