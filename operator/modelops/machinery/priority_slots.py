"""Limit of concurrent reconciles, and which of them gets a slot first."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count

_BURST = 8
"""Children created within _BURST_SECONDS that make a burst."""
_BURST_SECONDS = 0.25
_BURSTS_AT_MOST = 12
"""Multiples of _BURST_SECONDS that a status write waits at most for the end of a burst."""


class Priority(IntEnum):
    """Purpose of a reconcile. The lower value gets a slot first."""

    CHILDREN = 0
    """Plan and write children: when a thousand objects appear at once, work starts before statuses are written."""
    STATUS = 1
    """Write the status."""


class PrioritySlots:
    """Priority semaphore: first in, first out within a priority."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._created: deque[float] = deque(maxlen=_BURST)

    @asynccontextmanager
    async def hold(self, priority: Priority) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block."""
        await self.acquire(priority)
        try:
            yield
        finally:
            self.release()

    def child_created(self) -> None:
        """Note that a child was created: during a burst of them status writes wait a little."""
        self._created.append(asyncio.get_running_loop().time())

    async def acquire(self, priority: Priority) -> None:
        """Wait for a slot. Call `release` afterwards."""
        if priority is Priority.STATUS:
            await self._wait_for_end_of_burst()
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Pass the slot to the next waiter."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _wait_for_end_of_burst(self) -> None:
        now = asyncio.get_running_loop().time
        for _ in range(_BURSTS_AT_MOST):
            if len(self._created) < _BURST or now() - self._created[0] >= _BURST_SECONDS:
                return
            await asyncio.sleep(_BURST_SECONDS)
