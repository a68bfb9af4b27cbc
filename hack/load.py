"""Live requests to a model, every answer counted by the version that gave it."""

import http.client
import threading
import urllib.error
import urllib.request
from collections import Counter
from types import TracebackType

_VERSION = "x-modelops-model-version"
_TIMEOUT_SECONDS = 30


class Load:
    """Clients that ask, each over a new connection, from entering to leaving the block. `pause` is in seconds."""

    def __init__(self, url: str, request: str, clients: int = 4, pause: float = 0.1) -> None:
        self.answers: Counter[str] = Counter()
        """Model version that answered → how many times."""
        self.failures: list[str] = []
        """What became of each request that had no answer, or another one than 200."""
        self._message = urllib.request.Request(url, request.encode(), {"Content-Type": "application/json"})
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                with urllib.request.urlopen(self._message, timeout=_TIMEOUT_SECONDS) as answer:
                    answer.read()
                    version = answer.headers.get(_VERSION, "")
                with self._lock:
                    self.answers[version] += 1
            except urllib.error.HTTPError as error:
                self._fail(f"{error.code} {error.read().decode(errors='replace')[:200]}")
            except (OSError, http.client.HTTPException) as error:
                self._fail(repr(error))
            self._stop.wait(self._pause)

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
