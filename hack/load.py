"""Live requests to a model; answers are counted by the version that gave them."""

import http.client
import threading
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections import Counter
from types import TracebackType
from typing import Self

VERSION = "x-modelops-model-version"
_TIMEOUT_SECONDS = 30


class Clients(ABC):
    """Context in which clients send requests, each on a thread of its own."""

    def __init__(self, clients: int) -> None:
        self.answers: Counter[str] = Counter()
        """Number of answers by model version."""
        self.failures: list[str] = []
        """Reason of each failed request: no answer, or a wrong one."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @abstractmethod
    def _ask(self, number: int) -> None:
        """Send requests until `_stop` is set. `number` is the client's, from 0 on."""

    def _fail(self, reason: str) -> None:
        with self._lock:
            self.failures.append(reason)


class Load(Clients):
    """Clients that open a connection for each request, and pause `pause` seconds between an answer and the next."""

    def __init__(self, url: str, request: str, clients: int = 4, pause: float = 0.1) -> None:
        super().__init__(clients)
        self._message = urllib.request.Request(url, request.encode(), {"Content-Type": "application/json"})
        self._pause = pause

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(self._message, timeout=_TIMEOUT_SECONDS) as answer:
                    answer.read()
                    version = answer.headers.get(VERSION, "")
                with self._lock:
                    self.answers[version] += 1
            except urllib.error.HTTPError as error:
                self._fail(f"{error.code} {error.read().decode(errors='replace')[:200]}")
            except (OSError, http.client.HTTPException) as error:
                self._fail(repr(error))
            self._stop.wait(self._pause)
