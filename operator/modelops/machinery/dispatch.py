"""From an event to the objects it concerns."""

from collections import defaultdict
from collections.abc import Iterable

from modelops.machinery import metrics
from modelops.machinery.cache import Cache, Indexer, IndexKey
from modelops.machinery.controller import Controller, EventMapping
from modelops.machinery.freshness import Freshness
from modelops.machinery.ownership import kind_label
from modelops.machinery.queue import Queue
from modelops.machinery.resources import PARENTS, WATCHED, Body, Key, Resource, key_of

_PARENT_KINDS = {resource.kind for resource in PARENTS}


def indexers(controllers: Iterable[Controller]) -> dict[str, Indexer]:
    """For each kind, all that the controllers want to find it by."""
    wanted: dict[str, list[Indexer]] = defaultdict(list)
    for controller in controllers:
        for kind, indexer in controller.indexers.items():
            wanted[kind].append(indexer)
    return {kind: _joined(several) for kind, several in wanted.items()}


def _joined(several: list[Indexer]) -> Indexer:
    def all_of(body: Body) -> Iterable[IndexKey]:
        return {index_key for one in several for index_key in one(body)}

    return all_of


class Dispatcher:
    """Keeps the cache and wakes whom a change concerns."""

    def __init__(self, cache: Cache, queue: Queue, controllers: Iterable[Controller], freshness: Freshness) -> None:
        self._cache = cache
        self._queue = queue
        self._controllers = tuple(controllers)
        self._freshness = freshness

    def on_event(self, resource: Resource, event_type: str | None, body: Body) -> None:
        """A watch brought this. `event_type` is None for what was there when the watch began."""
        metrics.WATCH_EVENTS.labels(resource=resource.plural).inc()
        self._freshness.delivered(resource.plural, int(body["metadata"]["resourceVersion"]))
        if event_type == "DELETED":
            if self._cache.drop(body):
                self.changed(body)
        elif self._cache.put(body):
            self.changed(body)

    def on_write(self, resource: Resource, body: Body, by: Key) -> None:
        """The operator itself wrote this while it looked at `by`: whom else it concerns need not wait for the watch."""
        if resource in WATCHED:
            self._freshness.expect(resource.plural, int(body["metadata"]["resourceVersion"]))
        if self._cache.put(body):
            self._wake(body, but=by)

    def changed(self, body: Body) -> None:
        """This object is new, other, or gone: look at it and at whom it concerns."""
        self._wake(body, but=None)

    def enqueue(self, key: Key) -> None:
        """Look at this object again."""
        self._queue.add(key)

    def _wake(self, body: Body, but: Key | None) -> None:
        key = key_of(body)
        if key.kind in _PARENT_KINDS and key != but:
            self._queue.add(key)
        for controller in self._controllers:
            enqueue = controller.event_mappings.get(key.kind)
            if enqueue is not None:
                for woken in enqueue(body, self._cache):
                    if woken != but:
                        self._queue.add(woken)


def by_label(kind: str) -> EventMapping:
    """Wakes the object of `kind` that a child names in its label."""
    label = kind_label(kind)

    def enqueue(body: Body, cache: Cache) -> Iterable[Key]:
        metadata = body["metadata"]
        name = (metadata.get("labels") or {}).get(label)
        return [Key(kind, metadata.get("namespace", ""), name)] if name else []

    return enqueue
