"""How many reconciles talk to the API server at once, and which go first."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count

_BURST = 8
"""So many children made within _BURST_SECONDS are a burst."""
_BURST_SECONDS = 0.25
_PATIENCE = 12
"""So many times as long telling waits for the end of a burst."""


class Priority(IntEnum):
    """What a reconcile is about to do. The lesser one goes first."""

    CHILDREN = 0
    """Decide, and make what is to be: when a thousand objects come at once, work starts before it is told of."""
    STATUS = 1
    """Tell of it."""


class PrioritySlots:
    """So many places, given to those who wait in the order of their lane, and within it of their coming."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._made: deque[float] = deque(maxlen=_BURST)

    @asynccontextmanager
    async def hold(self, lane: Priority) -> AsyncIterator[None]:
        """One place, for as long as the block lasts."""
        await self.acquire(lane)
        try:
            yield
        finally:
            self.release()

    def child_created(self) -> None:
        """A child was made: while that goes on at a great rate, telling of it waits a little."""
        self._made.append(asyncio.get_running_loop().time())

    async def acquire(self, lane: Priority) -> None:
        """Wait for a place. Call `leave` afterwards."""
        if lane is Priority.STATUS:
            await self._burst_over()
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give the place to who is next."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _burst_over(self) -> None:
        now = asyncio.get_running_loop().time
        for _ in range(_PATIENCE):
            if len(self._made) < _BURST or now() - self._made[0] >= _BURST_SECONDS:
                return
            await asyncio.sleep(_BURST_SECONDS)
