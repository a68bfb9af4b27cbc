"""Live traffic at an InferenceService, every answer counted."""

import http.client
import threading
import time
from collections import Counter
from types import TracebackType


class Traffic:
    """Clients that ask without pause, half of them over kept-alive connections, from entering to leaving the block."""

    def __init__(self, address: str, path: str, body: str, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        """Model version that answered → how many times."""
        self.failures: list[str] = []
        self._address = address
        self._path = path
        self._body = body
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(clients)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def answered_by(self, version: str, within: float = 60.0) -> None:
        """Wait until a version has answered."""
        deadline = time.monotonic() + within
        while not self.answers[version]:
            assert time.monotonic() < deadline, f"{version} has not answered after {within:.0f} s: {self.answers}"
            time.sleep(0.1)

    def _ask(self, keep_alive: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        headers = {"Content-Type": "application/json", "Connection": "keep-alive" if keep_alive else "close"}
        while not self._stop.is_set():
            reused = connection is not None
            connection = connection or http.client.HTTPConnection(self._address, timeout=20)
            try:
                connection.request("POST", self._path, self._body, headers)
                answer = connection.getresponse()
                content = answer.read()
                closes = answer.will_close
                self._count(answer, content)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # An idle connection that the server closes in the same moment is asked again by every HTTP client.
                if not reused:
                    self._fail(repr(error))
                closes = True
            except OSError as error:
                self._fail(repr(error))
                closes = True
            if closes or not keep_alive:
                connection.close()
                connection = None

    def _count(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        with self._lock:
            if answer.status == 200:
                self.answers[answer.headers.get("x-modelops-model-version", "")] += 1
            else:
                self.failures.append(f"{answer.status} {content[:200]!r}")

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
