"""Live traffic at an InferenceService, every answer counted."""

import http.client
import time
from collections import Counter

from hack.load import VERSION, Clients


class Traffic(Clients):
    """Clients that ask from entering to leaving the block, half of them over kept-alive connections.

    `pause` is in seconds, between an answer and the next request of a client. `expected` is something that every
    complete answer has in it.
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
        """Model version → when the last request that it answered was sent, in seconds since 1970."""
        self._before: Counter[str] = Counter()
        self._address = address
        self._path = path
        self._body = body
        self._pause = pause
        self._expected = expected
        self._may_fail = may_fail

    @property
    def total(self) -> int:
        """How many answers there were."""
        return sum(self.answers.values()) + sum(self._before.values())

    def answered_by(self, version: str, within: float = 60.0) -> None:
        """Wait until a version has answered."""
        deadline = time.monotonic() + within
        while not self.answers[version]:
            assert time.monotonic() < deadline, f"{version} has not answered after {within:.0f} s: {self.answers}"
            time.sleep(0.1)

    def forget(self, version: str) -> None:
        """Begin anew to count a version's answers: to see whether it answers again."""
        with self._lock:
            self._before[version] += self.answers.pop(version, 0)

    def shares(self, seconds: float) -> dict[str, float]:
        """What share of the answers each version gives from now on for so long."""
        before = Counter(self.answers)
        time.sleep(seconds)
        new = Counter(self.answers) - before
        return {version: count / new.total() for version, count in new.items()}

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
                answer = connection.getresponse()
                content = answer.read()
                closes = answer.will_close
                self._count(answer, content, sent)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # An idle connection that the server closes in the same moment is asked again by every HTTP client.
                if not reused:
                    self._fail(repr(error))
                closes = True
            except (OSError, http.client.HTTPException) as error:
                self._fail(repr(error))
                closes = True
            if closes or not keep_alive:
                connection.close()
                connection = None
            self._stop.wait(self._pause)

    def _count(self, answer: http.client.HTTPResponse, content: bytes, sent: float) -> None:
        version = answer.headers.get(VERSION, "")
        with self._lock:
            if answer.status in self._may_fail or (answer.status == 200 and self._expected in content):
                self.answers[version] += 1
                self.last_request[version] = max(sent, self.last_request.get(version, 0.0))
            else:
                self.failures.append(f"{answer.status} of {version}: {content[:200]!r}")
