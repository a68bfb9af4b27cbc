"""A gRPC server that answers each message with itself."""

import contextlib
import time
from collections.abc import Iterator
from concurrent import futures

import grpc


class _Echo(grpc.GenericRpcHandler):
    def __init__(self, hold: float) -> None:
        self._hold = hold

    def service(self, call):
        if call.method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, message: bytes, _: grpc.ServicerContext) -> bytes:
        time.sleep(self._hold)
        return message


@contextlib.contextmanager
def echo_server(port: int, hold: float = 0) -> Iterator[None]:
    """It takes any method; those whose name ends with Stream echo a stream. `hold` is in seconds, before an answer."""
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Echo(hold)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(None)
