"""An amount of something, such as memory, shared out by namespace. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

HolderT = TypeVar("HolderT", bound=Hashable)


class FairBudget(Generic[HolderT]):
    """Amounts that holders have of a total, of which a namespace has at most its share."""

    def __init__(self, total: int, share: int) -> None:
        self._left = total
        self._share = share
        self._held: dict[HolderT, tuple[str, int]] = {}
        self._by_namespace: Counter[str] = Counter()

    def set(self, namespace: str, holder: HolderT, amount: int) -> bool:
        """Let a holder of this namespace have this amount instead of what it has, and return True.

        Return False, and change nothing, where that would be too much in all or for the namespace.
        """
        more = amount - self.amount(holder)
        if more > 0 and (more > self._left or self._by_namespace[namespace] + more > self._share):
            return False
        self._left -= more
        self._by_namespace[namespace] += more
        if not self._by_namespace[namespace]:
            del self._by_namespace[namespace]
        if amount:
            self._held[holder] = (namespace, amount)
        else:
            self._held.pop(holder, None)
        return True

    def amount(self, holder: HolderT) -> int:
        """Return what a holder has."""
        return self._held.get(holder, ("", 0))[1]

    def keep_only(self, holds: Callable[[HolderT], bool]) -> None:
        """Take back what all other holders have."""
        for holder, (namespace, _) in list(self._held.items()):
            if not holds(holder):
                self.set(namespace, holder, 0)
