"""The work queue: keys, not events. The same key is never worked on twice at once, and never lost."""

import asyncio
import random
import time
from collections import deque

from modelops.machinery import metrics
from modelops.machinery.resources import Key

_FIRST_BACKOFF_SECONDS = 0.25
_LAST_BACKOFF_SECONDS = 300.0


class Queue:
    """A key added while it is worked on is worked on once more afterwards; one added twice before, once."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._since: dict[Key, float] = {}
        self._working: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def add(self, key: Key) -> None:
        """Have `key` worked on as soon as a worker is free."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = time.monotonic()
            self._ready.append(key)
            metrics.QUEUE_DEPTH.set(len(self._ready))
            self._wake_one()

    def add_after(self, key: Key, seconds: float) -> None:
        """Have `key` worked on in `seconds`, unless something wakes it before; the earliest time asked for counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0.0)
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= due:
                return
            pending.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    async def get(self) -> Key:
        """The next key. Call `done` with it afterwards."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key = self._ready.popleft()
        self._working[key] = self._since.pop(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        metrics.QUEUE_DEPTH.set(len(self._ready))
        return key

    def done(self, key: Key) -> None:
        """`key` has been worked on."""
        del self._working[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def succeeded(self, key: Key) -> None:
        """Forget earlier failures of `key`."""
        self._failures.pop(key, None)

    def failed(self, key: Key) -> int:
        """Work on `key` again after a pause that doubles. Returns how many times it has failed in a row."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        pause = min(_FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 20), _LAST_BACKOFF_SECONDS)
        self.add_after(key, pause * random.uniform(0.8, 1.2))
        return failures

    def begin(self) -> None:
        """Nobody has worked on anything yet: what waits has waited from now on."""
        self._since = dict.fromkeys(self._since, time.monotonic())

    def oldest_seconds(self) -> float:
        """How long the oldest key has waited, its work included."""
        started = [*self._since.values(), *self._working.values()]
        return time.monotonic() - min(started) if started else 0.0

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
