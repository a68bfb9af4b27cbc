"""Clients that ask without pause, all in one process of its own that costs little; every answer is checked."""

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
"""An answer that takes longer is none."""


@dataclass(frozen=True)
class Load:
    """What clients saw."""

    answered: int
    failed: int
    """Requests whose answer was another one, or was not complete, or did not come."""
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests answered in a second."""
        return self.answered / self.seconds


def load(port: int, clients: int, seconds: float) -> Load:
    """So many clients, each with a connection that is kept, for so long."""
    command = [sys.executable, "-m", "bench.load", str(port), str(clients), str(seconds)]
    output = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, check=True).stdout
    return Load(**json.loads(output))


class _Clients:
    """On one thread, woken by whichever connection has something to read."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ready = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._asked: dict[int, float] = {}
        self._begun: dict[int, bytes] = {}
        self._took: list[float] = []
        self._failed = 0

    def run(self, clients: int, seconds: float) -> Load:
        started = time.perf_counter()
        until = started + seconds
        for _ in range(clients):
            self._begin()
        while self._asked:
            for number, _ in self._ready.poll(_GIVEN_UP_SECONDS) or [(number, 0) for number in self._asked]:
                asks = self._read(number)
                if asks is not None and time.perf_counter() < until:
                    self._ask(asks)
        took = sorted(self._took)
        return Load(
            answered=len(took),
            failed=self._failed,
            seconds=time.perf_counter() - started,
            p50_ms=took[len(took) // 2] * 1000 if took else 0.0,
            p99_ms=took[len(took) * 99 // 100] * 1000 if took else 0.0,
        )

    def _begin(self) -> None:
        self._ask(self._connect())

    def _connect(self) -> int:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=_GIVEN_UP_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        number = connection.fileno()
        self._connections[number] = connection
        self._ready.register(number, select.EPOLLIN)
        return number

    def _ask(self, number: int) -> None:
        self._asked[number] = time.perf_counter()
        self._connections[number].send(_REQUEST)

    def _read(self, number: int) -> int | None:
        """The connection on which to ask next, once this answer is complete or will never be."""
        try:
            received = self._connections[number].recv(65536)
        except OSError:
            received = b""
        answer = self._begun.pop(number, b"") + received
        if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(ANSWER):
            self._took.append(time.perf_counter() - self._asked.pop(number))
            return number
        if received and answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            self._begun[number] = answer
            return None
        self._failed += 1
        del self._asked[number]
        self._connections.pop(number).close()
        return self._connect()


if __name__ == "__main__":
    port, clients, seconds = sys.argv[1:]
    print(json.dumps(asdict(_Clients(int(port)).run(int(clients), float(seconds)))))
