"""Clients that send requests without pause, in one cheap process of their own; every answer is checked."""

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from support.fast_model import ANSWER

_BODY = b'{"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [0.8, 41.0, 0.1, 3.0]}]}'
_REQUEST = (
    b"POST /v2/models/fast/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
_GIVEN_UP_SECONDS = 5.0
"""Time limit of an answer."""


@dataclass(frozen=True)
class Load:
    """Result of a load: counts, duration and latencies."""

    answered: int
    failed: int
    """Requests with a wrong, an incomplete or no answer."""
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answered requests per second."""
        return self.answered / self.seconds


def load(port: int, clients: int, seconds: float) -> Load:
    """Send requests by a number of clients for a number of seconds, each over one connection that is kept."""
    command = [sys.executable, "-m", "bench.load", str(port), str(clients), str(seconds)]
    output = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True).stdout
    return Load(**json.loads(output))


class _Clients:
    """Clients on one thread, which waits for the next connection with data (epoll)."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ready = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._sent: dict[int, float] = {}
        self._begun: dict[int, bytes] = {}
        self._seconds: list[float] = []
        self._failed = 0

    def run(self, clients: int, seconds: float) -> Load:
        started = time.perf_counter()
        until = started + seconds
        for _ in range(clients):
            self._begin()
        while self._sent:
            for number, _ in self._ready.poll(_GIVEN_UP_SECONDS) or [(number, 0) for number in self._sent]:
                idle = self._read(number)
                if idle is not None and time.perf_counter() < until:
                    self._send(idle)
        seconds_taken = sorted(self._seconds)
        return Load(
            answered=len(seconds_taken),
            failed=self._failed,
            seconds=time.perf_counter() - started,
            p50_ms=seconds_taken[len(seconds_taken) // 2] * 1000 if seconds_taken else 0.0,
            p99_ms=seconds_taken[len(seconds_taken) * 99 // 100] * 1000 if seconds_taken else 0.0,
        )

    def _begin(self) -> None:
        self._send(self._connect())

    def _connect(self) -> int:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_GIVEN_UP_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        number = connection.fileno()
        self._connections[number] = connection
        self._ready.register(number, select.EPOLLIN)
        return number

    def _send(self, number: int) -> None:
        self._sent[number] = time.perf_counter()
        self._connections[number].send(_REQUEST)

    def _read(self, number: int) -> int | None:
        """Read from a connection. Return the connection for the next request, or None if the answer is incomplete."""
        try:
            received = self._connections[number].recv(65536)
        except OSError:
            received = b""
        answer = self._begun.pop(number, b"") + received
        if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(ANSWER):
            self._seconds.append(time.perf_counter() - self._sent.pop(number))
            return number
        if received and answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            self._begun[number] = answer
            return None
        self._failed += 1
        del self._sent[number]
        self._connections.pop(number).close()
        return self._connect()


if __name__ == "__main__":
    port, clients, seconds = sys.argv[1:]
    print(json.dumps(asdict(_Clients(int(port)).run(int(clients), float(seconds)))))
