"""gRPC server on a Unix socket that receives Envoy's access log of captured requests.

Each batch is processed before the next one is read, without a queue: if the monitor is too slow, Envoy's buffer fills,
and Envoy drops and counts further records.
"""

import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]

from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.records import parse_record
from modelops.monitor.capture.wire import EMPTY_RESPONSE, METHOD, SERVICE, Batch

_MAX_STREAMS = 16
"""Envoy opens one stream per worker thread."""
_MAX_BATCH_BYTES = 4 * 2**20


def start(aggregates: Aggregates, socket: str) -> Any:
    """Start the server and return it. The caller must hold the reference: gRPC stops a server that is collected."""

    def receive(batches: Iterator[Any], _: Any) -> bytes:
        for batch in batches:
            for entry in batch.http_logs.log_entry:
                _add(aggregates, entry)
        return EMPTY_RESPONSE

    options = [
        ("grpc.max_receive_message_length", _MAX_BATCH_BYTES),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(_MAX_STREAMS), options=options)
    method = grpc.stream_unary_rpc_method_handler(receive, Batch.FromString, bytes)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: method}),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    return server


def _add(aggregates: Aggregates, entry: Any) -> None:
    """Count one entry. An entry that cannot be counted must not lose the rest of its batch."""
    try:
        aggregates.add(parse_record(entry))
    except Exception as error:
        print(f"monitor: captured request not counted: {type(error).__name__}", file=sys.stderr)
