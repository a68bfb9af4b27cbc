"""Whether the watches can be trusted: what was written or listed must come back through them before long."""

import time

from modelops.machinery import metrics

PATIENCE_SECONDS = 60.0


class Freshness:
    """For each resource: when its watch last delivered, and what it still owes."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._owed: dict[str, tuple[int, float]] = {}

    def delivered(self, plural: str, version: int) -> None:
        """The watch brought an object of this resourceVersion."""
        self._last[plural] = time.monotonic()
        self._seen[plural] = max(version, self._seen.get(plural, 0))
        owed = self._owed.get(plural)
        if owed is not None and owed[0] <= self._seen[plural]:
            del self._owed[plural]

    def expect(self, plural: str, version: int) -> None:
        """An object of this resourceVersion exists: the watch must bring it, or a later one."""
        if version > self._seen.get(plural, 0) and plural not in self._owed:
            self._owed[plural] = (version, time.monotonic())

    def stale(self) -> list[str]:
        """The resources whose watch has owed something for too long."""
        late = time.monotonic() - PATIENCE_SECONDS
        return sorted(plural for plural, (_, since) in self._owed.items() if since < late)

    def publish(self) -> None:
        """Tell Prometheus."""
        now = time.monotonic()
        for plural, last in self._last.items():
            metrics.WATCH_AGE_SECONDS.labels(resource=plural).set(now - last)
