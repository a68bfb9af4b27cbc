"""Compares a candidate's answers to copies with those of the Pods that mirrored them, which it asks for theirs.

Answers go from Pod to Pod, never to the operator. Nobody waits for any of it.
"""

import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelops.monitor.capture.agreement import MOST_TOLD_BYTES, answers_told, same
from modelops.monitor.capture.tables import Table

AT_ONCE = 128
"""How many answers a Pod is asked for at a time."""
ASKED_AFTER = (1.5, 3.0, 6.0, 12.0, 24.0, 45.0)
"""When a copy's other answer is asked for, in seconds: it comes in batches like this one's, and may be a slow one."""
MOST_WAITING = 20_000
MOST_VALUES = 500_000
EVERY = 0.5
_TIMEOUT = 2.0

Ask = Callable[[str, list[str]], dict[str, Table]]
"""Ask the Pod at an address for answers by name. Raises OSError, ValueError and HTTPException."""


@dataclass
class Copy:
    """A copy that the model here has answered."""

    name: str
    keeper: str
    answer: Table | None
    """None where it refused the request."""
    tolerance: float
    since: float
    asked: int = 0
    values: int = field(init=False)

    def __post_init__(self) -> None:
        self.values = sum(map(len, (self.answer or {}).values())) + 1

    @property
    def due(self) -> float:
        """When its other answer is asked for next."""
        return self.since + ASKED_AFTER[self.asked]


class Pairing:
    """The copies that wait for their other answer, and what came of those before. Safe for threads."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Copy] = []
        self._values = 0
        self.compared = 0
        self.agreed = 0
        self.unpaired = 0
        """Copies whose other answer was not to be had, or for which there was no room."""

    def add(self, name: str, keeper: str, answer: Table | None, tolerance: float) -> None:
        """Have an answer compared: with None, the model here refused what the other one may have answered."""
        copy = Copy(name, keeper, answer, tolerance, self._clock())
        with self._lock:
            if len(self._waiting) >= MOST_WAITING or self._values + copy.values > MOST_VALUES:
                self.unpaired += 1
                return
            self._waiting.append(copy)
            self._values += copy.values

    def round(self) -> None:
        """Ask for all that is due, a Pod at a time, and compare what comes."""
        now = self._clock()
        with self._lock:
            due = [copy for copy in self._waiting if copy.due <= now]
        by_keeper: dict[str, list[Copy]] = defaultdict(list)
        for copy in due:
            by_keeper[copy.keeper].append(copy)
        done: set[int] = set()
        for keeper, copies in by_keeper.items():
            done |= self._compare(keeper, copies)
        self._settle(due, done)

    def run(self) -> None:
        """Round after round, for ever."""
        while True:
            time.sleep(EVERY)
            self.round()

    def _compare(self, keeper: str, copies: list[Copy]) -> set[int]:
        done = set()
        for first in range(0, len(copies), AT_ONCE):
            part = copies[first : first + AT_ONCE]
            try:
                told = self._ask(keeper, [copy.name for copy in part])
            except (OSError, ValueError, http.client.HTTPException):
                break  # one that does not answer now is asked again later, and holds up the others no longer
            for copy in part:
                other = told.pop(copy.name, None)
                if other is not None:
                    done.add(id(copy))
                    self.compared += 1
                    self.agreed += copy.answer is not None and same(copy.answer, other, copy.tolerance)
        return done

    def _settle(self, due: Iterable[Copy], done: set[int]) -> None:
        for copy in due:
            copy.asked += 1
        given_up = {id(copy) for copy in due if copy.asked == len(ASKED_AFTER)} - done
        over = done | given_up
        with self._lock:
            self.unpaired += len(given_up)
            self._values -= sum(copy.values for copy in self._waiting if id(copy) in over)
            self._waiting = [copy for copy in self._waiting if id(copy) not in over]


def asking(port: int) -> Ask:
    """How other Pods' monitors are asked, by way of their proxies."""

    def ask(address: str, names: list[str]) -> dict[str, Table]:
        connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT)
        try:
            connection.request("GET", "/monitor/answers/" + ",".join(names))
            answer = connection.getresponse()
            content = answer.read(2 * MOST_TOLD_BYTES + 1)
            if answer.status != 200 or len(content) > 2 * MOST_TOLD_BYTES:
                raise ValueError(f"HTTP {answer.status}, {len(content)} bytes")
            return answers_told(content)
        finally:
            connection.close()

    return ask
