"""Envoy configuration that sends captured requests and responses to the monitor. Pure.

A Lua filter, disabled except on routes that enable it, copies bodies into the request's metadata. An access log sends
requests with such metadata over a Unix socket, in batches. Neither waits for the monitor: if the monitor does not keep
up, records are dropped and counted.
"""

from pathlib import Path
from typing import Any

from modelops.api.contract.proxy import CAPTURE_FILTER
from modelops.monitor.envoy.upstreams import pipe
from modelops.monitor.settings import Settings

CLUSTER = "capture"
LOGGED_HEADERS = ("content-type", "inference-header-content-length")
"""Headers of requests and of responses that say how to read their bodies."""
BATCH_BYTES = 256 * 1024
"""Bytes that each Envoy worker collects before it sends a batch, and collects further while it cannot send."""
BUFFER_BYTES_PER_STREAM = 4 * 2**20
"""Bytes sent that each worker buffers while the monitor does not read."""
_FLUSH_INTERVAL = "1s"

Json = dict[str, Any]


def capture_filter() -> Json:
    """Build the capture filter, disabled. It must follow the body limit, so that rejected bodies are not captured."""
    lua = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    script = Path(__file__).with_name("capture.lua").read_text(encoding="ascii")
    return {
        "name": CAPTURE_FILTER,
        "disabled": True,
        "typed_config": {"@type": lua, "default_source_code": {"inline_string": script}},
    }


def capture_log() -> Json:
    """Build the access log of requests with captured metadata."""
    type_ = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
    captured = {"filter": CAPTURE_FILTER, "path": [{"key": "kept"}], "value": {"bool_match": True}}
    return {
        "name": "envoy.access_loggers.http_grpc",
        "filter": {"metadata_filter": {"matcher": captured, "match_if_key_not_found": False}},
        "typed_config": {
            "@type": type_,
            "common_config": {
                "log_name": CAPTURE_FILTER,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}},
                "buffer_flush_interval": _FLUSH_INTERVAL,
                "buffer_size_bytes": BATCH_BYTES,
            },
            "additional_request_headers_to_log": list(LOGGED_HEADERS),
            "additional_response_headers_to_log": list(LOGGED_HEADERS),
        },
    }


def capture_cluster(settings: Settings) -> Json:
    """Build the cluster of the monitor's Unix socket."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    # Envoy buffers as much for a stalled stream as this window is wide. Its default is 16 MiB.
    window = {
        "initial_stream_window_size": BUFFER_BYTES_PER_STREAM,
        "initial_connection_window_size": BUFFER_BYTES_PER_STREAM,
    }
    http2 = {
        "@type": f"type.googleapis.com/{options}",
        "explicit_http_config": {"http2_protocol_options": window},
    }
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES_PER_STREAM,
        "typed_extension_protocol_options": {options: http2},
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": pipe(settings.capture_socket)}}]}],
        },
    }
