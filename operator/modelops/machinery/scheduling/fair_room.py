"""Waiting room of bounded size, shared out by namespace. Pure."""

from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class FairRoom(Generic[ItemT]):
    """Items that wait: namespaces take turns, and within a namespace the earlier arrival comes first.

    In a full room the newest item of the namespace with the most items is dropped. A namespace that has no more than
    an equal part of the room loses none.
    """

    def __init__(self, limit: int) -> None:
        """Have room for `limit` items."""
        self._room = limit
        self._waiting: dict[str, deque[ItemT]] = {}
        """Items by namespace. The namespaces are in the order of their turns."""

    def add(self, namespace: str, item: ItemT) -> ItemT | None:
        """Let an item wait. Return the item that is dropped for it, which may be the item itself, or None."""
        dropped = None
        if self._room:
            self._room -= 1
        else:
            own = len(self._waiting.get(namespace, ()))
            largest = max(self._waiting, key=lambda name: len(self._waiting[name]))
            if len(self._waiting[largest]) <= own + 1:
                return item
            dropped = self._waiting[largest].pop()
        self._waiting.setdefault(namespace, deque()).append(item)
        return dropped

    def take(self) -> ItemT | None:
        """Return the next item, None if no item waits."""
        if not self._waiting:
            return None
        namespace = next(iter(self._waiting))
        items = self._waiting.pop(namespace)
        item = items.popleft()
        if items:
            self._waiting[namespace] = items
        self._room += 1
        return item
