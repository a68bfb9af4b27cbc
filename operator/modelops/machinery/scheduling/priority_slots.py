"""Limit of concurrent reconciles, and which of them gets a slot first."""

import asyncio
from collections import deque
from enum import IntEnum

from modelops.machinery.scheduling.fair_slots import FairSlots

_BURST = 8
"""Children created within _BURST_SECONDS that make a burst."""
_BURST_SECONDS = 0.25
_BURSTS_AT_MOST = 12
"""Multiples of _BURST_SECONDS that a status write waits at most for the end of a burst."""


class Priority(IntEnum):
    """Purpose of a reconcile. Within a namespace the lower value gets a slot first."""

    CHILDREN = 0
    """Plan and write children: when a thousand objects appear at once, work starts before statuses are written."""
    STATUS = 1
    """Write the status."""


class PrioritySlots(FairSlots):
    """Slots of reconciles: half of them for a namespace while others wait, and all while it is alone."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots, (slots + 1) // 2, lends=True)
        self._created: dict[str, deque[float]] = {}
        """Times of the last children of each namespace."""

    def child_created(self, namespace: str) -> None:
        """Note that a child was created: during a burst of them the namespace's status writes wait a little."""
        times = self._created.setdefault(namespace, deque(maxlen=_BURST))
        times.append(asyncio.get_running_loop().time())

    async def acquire(self, namespace: str, priority: int = Priority.CHILDREN) -> None:
        """Wait for a slot. Call `release` afterwards."""
        if priority == Priority.STATUS:
            await self._wait_for_end_of_burst(namespace)
        await super().acquire(namespace, priority)

    async def _wait_for_end_of_burst(self, namespace: str) -> None:
        now = asyncio.get_running_loop().time
        for _ in range(_BURSTS_AT_MOST):
            times = self._created.get(namespace)
            if times is None:
                return
            if now() - times[-1] >= _BURST_SECONDS:
                del self._created[namespace]
                return
            if len(times) < _BURST or now() - times[0] >= _BURST_SECONDS:
                return
            await asyncio.sleep(_BURST_SECONDS)
