"""Live traffic at an InferenceService, with each response counted by version."""

import http.client
import time
from collections import Counter

from hack.load import VERSION, Clients
from support.cluster.polling import poll


class Traffic(Clients):
    """Clients that send requests inside the `with` block, half of them over kept-alive connections.

    `pause` is in seconds, between a response and the client's next request. `expected` is part of every complete
    response.
    """

    def __init__(
        self,
        address: str,
        path: str,
        body: str,
        clients: int = 4,
        pause: float = 0.0,
        expected: bytes = b"",
        may_fail: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(clients)
        self.last_request: dict[str, float] = {}
        """Model version → send time of the last request that it answered, in seconds since 1970."""
        self._before: Counter[str] = Counter()
        self._address = address
        self._path = path
        self._body = body
        self._pause = pause
        self._expected = expected
        self._may_fail = may_fail

    @property
    def total(self) -> int:
        """Number of responses."""
        return sum(self.answers.values()) + sum(self._before.values())

    def answered_by(self, version: str, within: float = 60.0) -> None:
        """Wait until a version has answered a request."""
        poll(lambda: self.answers, lambda answers: answers[version], within=within, awaited=f"an answer of {version}")

    def forget(self, version: str) -> None:
        """Restart the count of a version's responses, to see whether it answers again."""
        with self._lock:
            self._before[version] += self.answers.pop(version, 0)

    def shares(self, seconds: float) -> dict[str, float]:
        """Measure for so many seconds, and return each version's part of the responses."""
        new = self.counts(seconds)
        return {version: count / new.total() for version, count in new.items()}

    def counts(self, seconds: float) -> Counter[str]:
        """Count each version's responses for so many seconds."""
        before = Counter(self.answers)
        time.sleep(seconds)
        return Counter(self.answers) - before

    def _ask(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        keep_alive = number % 2 == 0
        headers = {"Content-Type": "application/json", "Connection": "keep-alive" if keep_alive else "close"}
        while not self._stop.is_set():
            reused = connection is not None
            connection = connection or http.client.HTTPConnection(self._address, timeout=30)
            try:
                sent = time.time()
                connection.request("POST", self._path, self._body, headers)
                response = connection.getresponse()
                content = response.read()
                closed = response.will_close
                self._count(response, content, sent)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # Every HTTP client retries if the server closed an idle connection at the moment of a request.
                if not reused:
                    self._fail(repr(error))
                closed = True
            except (OSError, http.client.HTTPException) as error:
                self._fail(repr(error))
                closed = True
            if closed or not keep_alive:
                connection.close()
                connection = None
            self._stop.wait(self._pause)

    def _count(self, response: http.client.HTTPResponse, content: bytes, sent: float) -> None:
        version = response.headers.get(VERSION, "")
        with self._lock:
            if response.status in self._may_fail or (response.status == 200 and self._expected in content):
                self.answers[version] += 1
                self.last_request[version] = max(sent, self.last_request.get(version, 0.0))
            else:
                self.failures.append(f"{response.status} of {version}: {content[:200]!r}")
