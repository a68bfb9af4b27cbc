"""What the watches have told, kept small: one JSON text an object, and indexes over them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from pydantic_core import from_json, to_json

from modelops.api.kinds import Kind
from modelops.machinery import metrics
from modelops.machinery.resources import BY_KIND, WATCHED, Body, Key, key_of

IndexKey = tuple[str, ...]
Indexer = Callable[[Body], Iterable[IndexKey]]
K = TypeVar("K", bound=Kind)


class _Entry(NamedTuple):
    uid: str
    version: int
    text: bytes
    indexed: tuple[IndexKey, ...]


class Cache:
    """Objects by key, the newest version of each. An older version never replaces a newer one.

    Parsed objects cost ten times the memory of their text and are read a few times in their lives, so text is kept.
    """

    def __init__(self, indexers: dict[str, Indexer]) -> None:
        self._indexers = indexers
        self._entries: dict[str, dict[Key, _Entry]] = defaultdict(dict)
        self._index: dict[IndexKey, set[Key]] = {}

    def put(self, body: Body) -> bool:
        """Take an object in. False where it is nothing new."""
        key = key_of(body)
        known = self._entries[key.kind].get(key)
        uid, version = body["metadata"]["uid"], int(body["metadata"]["resourceVersion"])
        if known is not None and known.version >= version:
            return False
        indexer = self._indexers.get(key.kind)
        indexed = tuple(indexer(body)) if indexer else ()
        if known is not None:
            self._unindex(key, known)
        for index_key in indexed:
            self._index.setdefault(index_key, set()).add(key)
        self._entries[key.kind][key] = _Entry(uid, version, to_json(BY_KIND[key.kind].trim(body)), indexed)
        return True

    def drop(self, body: Body) -> bool:
        """Forget an object that is gone. False where a newer one of that name is known."""
        key = key_of(body)
        known = self._entries[key.kind].get(key)
        if known is None or known.version > int(body["metadata"]["resourceVersion"]):
            return False
        self._forget(key, known)
        return True

    def keep_only(self, kind: str, namespace: str | None, present: set[Key], as_of: int) -> list[Body]:
        """After a full LIST: forget what it did not have, unless newer than `as_of`. Returns what was forgotten."""
        gone = [
            (key, entry)
            for key, entry in self._entries[kind].items()
            if key not in present and entry.version <= as_of and namespace in (None, key.namespace)
        ]
        for key, entry in gone:
            self._forget(key, entry)
        return [from_json(entry.text) for _, entry in gone]

    def body(self, key: Key) -> Body | None:
        """The object, trimmed."""
        entry = self._entries[key.kind].get(key)
        return from_json(entry.text) if entry else None

    def parsed(self, key: Key, kind: type[K]) -> K | None:
        """The object as its model."""
        entry = self._entries[key.kind].get(key)
        return kind.model_validate_json(entry.text) if entry else None

    def find(self, *index_key: str, kind: str) -> list[Key]:
        """The objects of a kind below an index key, by name."""
        return sorted(key for key in self._index.get(index_key, ()) if key.kind == kind)

    def bodies(self, *index_key: str, kind: str) -> Iterator[Body]:
        """The same, as objects."""
        for key in self.find(*index_key, kind=kind):
            body = self.body(key)
            if body is not None:
                yield body

    def all(self, kind: str) -> Iterator[Body]:
        """Every object of a kind."""
        for entry in self._entries[kind].values():
            yield from_json(entry.text)

    def size(self, kind: str) -> int:
        """How many objects of a kind there are."""
        return len(self._entries[kind])

    def publish(self) -> None:
        """Tell Prometheus."""
        for resource in WATCHED:
            metrics.CACHED_OBJECTS.labels(resource=resource.plural).set(self.size(resource.kind))

    def total(self) -> int:
        """How many objects there are."""
        return sum(len(entries) for entries in self._entries.values())

    def _forget(self, key: Key, entry: _Entry) -> None:
        del self._entries[key.kind][key]
        self._unindex(key, entry)

    def _unindex(self, key: Key, entry: _Entry) -> None:
        for index_key in entry.indexed:
            members = self._index.get(index_key)
            if members is not None:
                members.discard(key)
                if not members:
                    del self._index[index_key]
