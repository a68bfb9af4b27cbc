"""Model that costs next to nothing, in a process of its own, so that measurements show the cost of the proxy."""

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from support.checkout import ROOT

ANSWER = b'{"model_name": "fast", "outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": [0.5]}]}'
"""Body of every response."""
_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class FastModel:
    """Running model."""

    server_port: int
    pid: int

    def freeze(self) -> None:
        """Stop the process: from now on it accepts requests and answers none."""
        os.kill(self.pid, signal.SIGSTOP)


@contextlib.contextmanager
def running_fast_model() -> Iterator[FastModel]:
    """Run the model."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.proxy.fast_model"], cwd=ROOT / "tests", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process:
        try:
            yield FastModel(int(process.stdout.readline()), process.pid)
        finally:
            process.kill()


def serve() -> None:
    """Answer each request once it is complete. Clients send no second request on a connection before that."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    ready = select.epoll()
    ready.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    incomplete: dict[int, bytes] = {}
    while True:
        for number, _ in ready.poll():
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                ready.register(connection, select.EPOLLIN)
                continue
            try:
                received = connections[number].recv(65536)
                request = incomplete.pop(number, b"") + received
                if received and not _complete(request):
                    incomplete[number] = request
                elif received:
                    connections[number].sendall(_RESPONSE)
            except ConnectionError:
                received = b""
            if not received:
                ready.unregister(number)
                connections.pop(number).close()


def _complete(request: bytes) -> bool:
    head, _, body = request.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return len(head) < len(request) and len(body) >= (int(length[1]) if length else 0)


if __name__ == "__main__":
    serve()
