"""Metrics of the controllers' objects, built at each scrape, so that no series outlives its object."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from modelops.machinery.cache import Cache
from modelops.machinery.controller import Controller


class ObjectMetrics(Collector):
    """Metrics of all controllers' objects. Only the leader has them: two replicas would count each object twice."""

    def __init__(self, cache: Cache, controllers: Iterable[Controller], leading: Callable[[], bool]) -> None:
        self._cache = cache
        self._collects = [controller.collect for controller in controllers if controller.collect is not None]
        self._leading = leading

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of all controllers; none on a standby replica."""
        if self._leading():
            for collect in self._collects:
                yield from collect(self._cache)

    def describe(self) -> Iterable[Metric]:
        """Return no families: registering must not scrape."""
        return ()
