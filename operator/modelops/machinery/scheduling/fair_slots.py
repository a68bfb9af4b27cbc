"""Limit of work that runs at once, overall and for each namespace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from modelops.machinery.scheduling.fair_turns import FairTurns


class FairSlots:
    """Semaphore whose slots are shared out by namespace."""

    def __init__(self, slots: int, share: int, *, lends: bool = False) -> None:
        """Have `slots`, of which a namespace holds at most `share`; with `lends` more while no other one waits."""
        self._turns: FairTurns[Callable[[], bool]] = FairTurns(slots, share, lends=lends)

    @asynccontextmanager
    async def hold(self, namespace: str, priority: int = 0) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block."""
        await self.acquire(namespace, priority)
        try:
            yield
        finally:
            self.release(namespace)

    async def acquire(self, namespace: str, priority: int = 0) -> None:
        """Wait for a slot. Call `release` afterwards."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def grant() -> bool:
            if turn.done():
                return False
            turn.set_result(None)
            return True

        self.wait(namespace, grant, priority)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(namespace)
            raise

    def wait(self, namespace: str, grant: Callable[[], bool], priority: int = 0) -> None:
        """Have `grant` called once a slot is held, at once if one is free. Call `release` afterwards.

        A `grant` that returns False does not take the slot.
        """
        self._turns.add(namespace, grant, priority)
        self._hand_out()

    def release(self, namespace: str) -> None:
        """Pass a namespace's slot to the next waiter."""
        self._turns.release(namespace)
        self._hand_out()

    def _hand_out(self) -> None:
        while (turn := self._turns.take()) is not None:
            namespace, grant = turn
            if not grant():
                self._turns.release(namespace)
