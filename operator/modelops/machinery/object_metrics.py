"""What controllers tell Prometheus of their objects: read when it is asked for, so that nothing outlives its object."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from modelops.machinery.cache import Cache
from modelops.machinery.controller import Controller


class ObjectMetrics(Collector):
    """The metrics of all controllers' objects, of the replica that acts: two would count each object twice."""

    def __init__(self, cache: Cache, controllers: Iterable[Controller], leading: Callable[[], bool]) -> None:
        self._cache = cache
        self._collects = [one.collect for one in controllers if one.collect is not None]
        self._leading = leading

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        if self._leading():
            for collect in self._collects:
                yield from collect(self._cache)

    def describe(self) -> Iterable[Metric]:
        """Nothing before there are objects."""
        return ()
