"""Maps a change of one object to the objects to reconcile."""

from collections import defaultdict
from collections.abc import Iterable

from modelops.machinery import metrics
from modelops.machinery.cache import Cache, Indexer, IndexKey
from modelops.machinery.controller import Controller, EventMapping
from modelops.machinery.freshness import Freshness
from modelops.machinery.ownership import kind_label
from modelops.machinery.resources import PARENTS, WATCHED, Body, Key, Resource, key_of
from modelops.machinery.scheduling.queue import Queue

_PARENT_KINDS = {resource.kind for resource in PARENTS}


def indexers(controllers: Iterable[Controller]) -> dict[str, Indexer]:
    """Join the indexers of all controllers, by kind."""
    by_kind: dict[str, list[Indexer]] = defaultdict(list)
    for controller in controllers:
        for kind, indexer in controller.indexers.items():
            by_kind[kind].append(indexer)
    return {kind: _join(of_kind) for kind, of_kind in by_kind.items()}


def _join(of_kind: list[Indexer]) -> Indexer:
    def index(body: Body) -> Iterable[IndexKey]:
        return {index_key for indexer in of_kind for index_key in indexer(body)}

    return index


class Dispatcher:
    """Updates the cache and enqueues the objects that a change affects."""

    def __init__(self, cache: Cache, queue: Queue, controllers: Iterable[Controller], freshness: Freshness) -> None:
        self._cache = cache
        self._queue = queue
        self._controllers = tuple(controllers)
        self._freshness = freshness

    def on_event(self, resource: Resource, event_type: str | None, body: Body) -> None:
        """Handle a watch event. `event_type` is None for an object that existed when the watch began."""
        metrics.WATCH_EVENTS.labels(resource=resource.plural).inc()
        self._freshness.delivered(resource.plural, int(body["metadata"]["resourceVersion"]))
        if event_type == "DELETED":
            if self._cache.drop(body):
                self.enqueue_affected(body)
        elif self._cache.put(body):
            self.enqueue_affected(body)

    def on_write(self, resource: Resource, body: Body, by: Key) -> None:
        """Handle an object that the operator wrote while reconciling `by`, without waiting for its watch event.

        Enqueues the other objects that the write affects, but not `by`.
        """
        if resource in WATCHED:
            self._freshness.expect(resource.plural, int(body["metadata"]["resourceVersion"]))
        if self._cache.put(body):
            self._enqueue(body, but=by)

    def enqueue_affected(self, body: Body) -> None:
        """Enqueue a new, changed or deleted object, if of one of our kinds, and every object it affects."""
        self._enqueue(body, but=None)

    def enqueue(self, key: Key) -> None:
        """Enqueue one object."""
        self._queue.add(key)

    def _enqueue(self, body: Body, but: Key | None) -> None:
        key = key_of(body)
        if key.kind in _PARENT_KINDS and key != but:
            self._queue.add(key)
        for controller in self._controllers:
            mapping = controller.event_mappings.get(key.kind)
            if mapping is not None:
                for affected in mapping(body, self._cache):
                    if affected != but:
                        self._queue.add(affected)


def by_label(kind: str) -> EventMapping:
    """Map a child to the object of `kind` that its label `modelops.dev/<kind>` names."""
    label = kind_label(kind)

    def mapping(body: Body, cache: Cache) -> Iterable[Key]:
        metadata = body["metadata"]
        name = (metadata.get("labels") or {}).get(label)
        return [Key(kind, metadata.get("namespace", ""), name)] if name else []

    return mapping
