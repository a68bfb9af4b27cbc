"""gRPC server that echoes each message."""

import contextlib
import time
from collections.abc import Iterator
from concurrent import futures

import grpc  # type: ignore[import-untyped]


class _Echo(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, delay: float) -> None:
        self._delay = delay

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if call.method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, message: bytes, _: grpc.ServicerContext) -> bytes:
        time.sleep(self._delay)
        return message


@contextlib.contextmanager
def echo_server(port: int, delay: float = 0) -> Iterator[None]:
    """Run the server for any method, with a delay in seconds before each response.

    Methods whose name ends with Stream echo a stream.
    """
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Echo(delay)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(None)
