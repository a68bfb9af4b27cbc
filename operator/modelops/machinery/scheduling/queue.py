"""Work queue of keys, as client-go has it: one key is never processed twice at once, and never lost."""

import asyncio
import random
import time
from collections import deque
from functools import partial

from modelops.machinery import metrics
from modelops.machinery.resources import Key
from modelops.machinery.scheduling.priority_slots import Priority, PrioritySlots

_FIRST_BACKOFF_SECONDS = 0.25
_LAST_BACKOFF_SECONDS = 300.0


class Queue:
    """Keys to reconcile, each returned with a slot: slots are shared out by namespace.

    A key added several times before `get` is returned once. A key added between its `get` and `done` is queued again.
    """

    def __init__(self, slots: PrioritySlots) -> None:
        self._slots = slots
        self._ready: deque[Key] = deque()
        """Keys that have a slot."""
        self._since: dict[Key, float] = {}
        self._processing: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._progress = time.monotonic()
        """Time at which a key was last returned or done, or came into the empty queue."""
        self._waiters: deque[asyncio.Future[None]] = deque()

    def add(self, key: Key) -> None:
        """Queue `key` unless it is queued. A key that is being processed is queued again by `done`."""
        if key in self._processing:
            self._again.add(key)
        elif key not in self._since:
            now = time.monotonic()
            if not self._since and not self._processing:
                self._progress = now
            self._since[key] = now
            metrics.QUEUE_DEPTH.set(len(self._since))
            self._slots.wait(key.namespace, partial(self._grant, key), Priority.CHILDREN)

    def add_after(self, key: Key, seconds: float) -> None:
        """Queue `key` in `seconds`. Of several such times the earliest counts; `get` cancels it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0.0)
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= due:
                return
            pending.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    async def get(self) -> Key:
        """Wait for the next key that has a slot. Release the slot, and call `done` with the key, afterwards."""
        while (key := self.take()) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return key

    def take(self) -> Key | None:
        """Return the next key that has a slot, as `get` does; None if no key has one."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._progress = time.monotonic()
        self._processing[key] = self._since.pop(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        metrics.QUEUE_DEPTH.set(len(self._since))
        return key

    def done(self, key: Key) -> None:
        """End the processing of `key`, and queue the key again if it was added meanwhile."""
        del self._processing[key]
        self._progress = time.monotonic()
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def succeeded(self, key: Key) -> None:
        """Forget earlier failures of `key`."""
        self._failures.pop(key, None)

    def failed(self, key: Key) -> int:
        """Queue `key` after an exponential backoff, 0.25 s to 5 min ± 20 %. Return its failures in a row."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        pause = min(_FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 20), _LAST_BACKOFF_SECONDS)
        self.add_after(key, pause * random.uniform(0.8, 1.2))
        return failures

    def reset_ages(self) -> None:
        """Count the age of waiting keys from now on: a standby replica has processed none of them."""
        self._progress = time.monotonic()
        self._since = dict.fromkeys(self._since, self._progress)

    def oldest_seconds(self) -> float:
        """Return the seconds since the oldest key that waits or is being processed was queued."""
        started = [*self._since.values(), *self._processing.values()]
        return time.monotonic() - min(started) if started else 0.0

    def idle_seconds(self) -> float:
        """Return the seconds since a reconcile last began or ended while keys wait or are being processed, else 0."""
        return time.monotonic() - self._progress if self._since or self._processing else 0.0

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _grant(self, key: Key) -> bool:
        self._ready.append(key)
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        return True
