"""Live requests to a model, every answer counted by the version that gave it."""

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
    """Clients that ask from entering to leaving the block."""

    def __init__(self, clients: int) -> None:
        self.answers: Counter[str] = Counter()
        """Model version that answered → how many times."""
        self.failures: list[str] = []
        """What became of each request that had no answer, or another one than it should."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(one,), daemon=True) for one in range(clients)]

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
        """Ask again and again until told to stop: the client of this number, from 0 on."""

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)


class Load(Clients):
    """Each request over a new connection. `pause` is in seconds, between an answer and a client's next request."""

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
