"""How many reconciles talk to the API server at once, and which go first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from itertools import count


class Lane(IntEnum):
    """What a reconcile is about to do. The lesser one goes first."""

    CHILDREN = 0
    """Decide, and make what is to be: when a thousand objects come at once, work starts before it is told of."""
    STATUS = 1
    """Tell of it."""


class Lanes:
    """So many places, given to those who wait in the order of their lane, and within it of their coming."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[Lane, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @asynccontextmanager
    async def place(self, lane: Lane) -> AsyncIterator[None]:
        """One place, for as long as the block lasts."""
        await self.enter(lane)
        try:
            yield
        finally:
            self.leave()

    async def enter(self, lane: Lane) -> None:
        """Wait for a place. Call `leave` afterwards."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to who is next."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
