"""A number of places, shared out by namespace: which of the items that wait gets the next place. Pure.

Namespaces take turns. Within a namespace the lower priority comes first, then the earlier arrival.
"""

from collections import Counter, deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class FairTurns(Generic[ItemT]):
    """Items that wait for a place, and the places taken, by namespace.

    A namespace below its share waits for at most one item of each other namespace that waited before.
    """

    def __init__(self, places: int, share: int, *, lends: bool) -> None:
        """Share out `places`, at most `share` to a namespace.

        With `lends` a namespace gets more than its share while no other namespace waits that is below its own.
        """
        self._free = places
        self._share = share
        self._lends = lends
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, dict[int, deque[ItemT]]] = {}
        """Items by namespace and priority. The namespaces are in the order of their turns."""

    def add(self, namespace: str, item: ItemT, priority: int = 0) -> None:
        """Let an item wait. A namespace without other items gets the last turn."""
        self._waiting.setdefault(namespace, {}).setdefault(priority, deque()).append(item)

    def take(self) -> tuple[str, ItemT] | None:
        """Return the item that gets a place now, and its namespace. Call `release` afterwards.

        None without a free place, and where no item may have one.
        """
        namespace = self._next() if self._free else None
        if namespace is None:
            return None
        by_priority = self._waiting.pop(namespace)
        first = min(by_priority)
        item = by_priority[first].popleft()
        if not by_priority[first]:
            del by_priority[first]
        if by_priority:
            self._waiting[namespace] = by_priority
        self._free -= 1
        self._taken[namespace] += 1
        return namespace, item

    def release(self, namespace: str) -> None:
        """Free a place of a namespace."""
        self._free += 1
        self._taken[namespace] -= 1
        if not self._taken[namespace]:
            del self._taken[namespace]

    def _next(self) -> str | None:
        for namespace in self._waiting:
            if self._taken[namespace] < self._share:
                return namespace
        return next(iter(self._waiting), None) if self._lends else None
