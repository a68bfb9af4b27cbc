"""Detects watches that fell behind: every object written or listed must arrive through its watch within a minute."""

import time

from modelops.machinery import metrics

STALE_AFTER_SECONDS = 60.0


class Freshness:
    """Last delivery of each resource's watch, and the oldest resourceVersion that the watch has yet to deliver."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self._owed: dict[str, tuple[int, float]] = {}

    def delivered(self, plural: str, version: int) -> None:
        """Note that the watch delivered an object of this resourceVersion."""
        self._last[plural] = time.monotonic()
        self._seen[plural] = max(version, self._seen.get(plural, 0))
        owed = self._owed.get(plural)
        if owed is not None and owed[0] <= self._seen[plural]:
            del self._owed[plural]

    def expect(self, plural: str, version: int) -> None:
        """Expect the watch to deliver this resourceVersion or a later one."""
        if version > self._seen.get(plural, 0) and plural not in self._owed:
            self._owed[plural] = (version, time.monotonic())

    def stale(self) -> list[str]:
        """Return the plural names of the resources whose watch is behind."""
        late = time.monotonic() - STALE_AFTER_SECONDS
        return sorted(plural for plural, (_, since) in self._owed.items() if since < late)

    def publish(self) -> None:
        """Set the gauge of the seconds since each watch last delivered."""
        now = time.monotonic()
        for plural, last in self._last.items():
            metrics.WATCH_AGE_SECONDS.labels(resource=plural).set(now - last)
