"""Takes in what Envoy captures: its access log, over gRPC on a Unix socket.

Each batch is worked off before the next one is read. Where that takes too long Envoy's own buffer fills, and Envoy
drops what comes next, and counts it: there is no queue here.
"""

import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]

from modelops.monitor.capture.aggregates import Capture
from modelops.monitor.capture.records import record
from modelops.monitor.capture.wire import METHOD, NOTHING, SERVICE, Batch

_STREAMS = 16
"""Envoy has a stream for each of its workers."""
_MOST_BATCH_BYTES = 4 * 2**20


def start(capture: Capture, socket: str) -> Any:
    """A running server, which must be kept."""

    def taken(batches: Iterator[Any], _: Any) -> bytes:
        for batch in batches:
            for entry in batch.http_logs.log_entry:
                _take(capture, entry)
        return NOTHING

    options = [
        ("grpc.max_receive_message_length", _MOST_BATCH_BYTES),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(_STREAMS), options=options)
    method = grpc.stream_unary_rpc_method_handler(taken, Batch.FromString, bytes)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    return server


def _take(capture: Capture, entry: Any) -> None:
    """One request that cannot be counted must not cost the others of its batch."""
    try:
        capture.take(record(entry))
    except Exception as error:
        print(f"monitor: a captured request was not counted: {type(error).__name__}", file=sys.stderr)
