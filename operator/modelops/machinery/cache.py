"""Local copy of the watched objects: one JSON text per object, and indexes over them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from pydantic_core import from_json, to_json

from modelops.api.kinds import Kind
from modelops.machinery import metrics
from modelops.machinery.namespace_share import NamespaceShares, left_out, written_bytes
from modelops.machinery.resources import BY_KIND, CONTENT_DIGEST, PARENTS, WATCHED, Body, Key, key_of

IndexKey = tuple[str, ...]
Indexer = Callable[[Body], Iterable[IndexKey]]
K = TypeVar("K", bound=Kind)
_PARENT_KINDS = {resource.kind for resource in PARENTS}


class _Entry(NamedTuple):
    uid: str
    version: int
    text: bytes
    index_keys: tuple[IndexKey, ...]
    written: int
    """Bytes that count for the namespace's share."""
    whole: bool
    """False: the object is beyond its namespace's share."""


class Cache:
    """Newest version of each object, by key. An older version never replaces a newer one.

    A parsed object takes ten times the memory of its text and is read only a few times, so the text is kept.
    Of the objects of the four kinds beyond their namespace's share only the identity and the conditions are kept.
    """

    def __init__(self, indexers: dict[str, Indexer], mebibytes_per_namespace: int = 64) -> None:
        self._shares = NamespaceShares(mebibytes_per_namespace)
        self._indexers = indexers
        self._entries: dict[str, dict[Key, _Entry]] = defaultdict(dict)
        self._index: dict[IndexKey, set[Key]] = {}

    def put(self, body: Body) -> bool:
        """Store an object. Return False when this version, or a newer one, is already stored.

        An object that its resource does not keep is removed instead: then the return value is that of `drop`.
        """
        key = key_of(body)
        resource = BY_KIND[key.kind]
        if not resource.keeps(body):
            return self.drop(body)
        cached = self._entries[key.kind].get(key)
        version = int(body["metadata"]["resourceVersion"])
        if cached is not None and cached.whole and cached.version >= version:
            self._complete(key, cached, version, body)
            return False
        entry = self._entry(key, cached, body)
        if cached is not None and (cached.version, cached.whole) >= (version, entry.whole):
            return False
        if cached is not None:
            self._remove(key, cached)
        for index_key in entry.index_keys:
            self._index.setdefault(index_key, set()).add(key)
        self._shares.change(key.namespace, entry.written)
        self._entries[key.kind][key] = entry
        return True

    def _entry(self, key: Key, cached: _Entry | None, body: Body) -> _Entry:
        uid, version = body["metadata"]["uid"], int(body["metadata"]["resourceVersion"])
        kept = BY_KIND[key.kind].trim(body)
        written = written_bytes(kept) if key.kind in _PARENT_KINDS else 0
        if not self._shares.admits(key.namespace, cached.written if cached is not None else 0, written):
            return _Entry(uid, version, to_json(left_out(kept)), (), 0, whole=False)
        indexer = self._indexers.get(key.kind)
        index_keys = tuple(indexer(body)) if indexer else ()
        return _Entry(uid, version, to_json(kept), index_keys, written, whole=True)

    def _complete(self, key: Key, cached: _Entry, version: int, body: Body) -> None:
        """Store what the cached version of an object lacks, since a watch delivered its metadata alone."""
        resource = BY_KIND[key.kind]
        if resource.metadata_only and cached.version == version and CONTENT_DIGEST in (trimmed := resource.trim(body)):
            self._entries[key.kind][key] = cached._replace(text=to_json(trimmed))

    def drop(self, body: Body) -> bool:
        """Remove a deleted object. Return False when it is not stored, or a newer object of its name is."""
        key = key_of(body)
        cached = self._entries[key.kind].get(key)
        if cached is None or cached.version > int(body["metadata"]["resourceVersion"]):
            return False
        self._remove(key, cached)
        return True

    def keep_only(self, kind: str, namespace: str | None, present: set[Key], as_of: int) -> list[Body]:
        """Remove the objects that a full LIST did not contain, unless newer than `as_of`. Return the removed objects.

        Those beyond their namespace's share are not returned: no other object knows them.
        `as_of` is the resourceVersion of the LIST. A namespace of None stands for all namespaces.
        """
        removed = [
            (key, entry)
            for key, entry in self._entries[kind].items()
            if key not in present and entry.version <= as_of and namespace in (None, key.namespace)
        ]
        for key, entry in removed:
            self._remove(key, entry)
        return [from_json(entry.text) for _, entry in removed if entry.whole]

    def body(self, key: Key) -> Body | None:
        """Return what the cache keeps of an object, or None."""
        entry = self._entries[key.kind].get(key)
        return from_json(entry.text) if entry else None

    def parsed(self, key: Key, kind: type[K]) -> K | None:
        """Return the object as its model; None where there is none, or its namespace's share leaves it out.

        Raises ValidationError where the model does not admit it.
        """
        entry = self._entries[key.kind].get(key)
        return kind.model_validate_json(entry.text) if entry and entry.whole else None

    def leaves_out(self, key: Key) -> bool:
        """Return whether an object is beyond its namespace's share."""
        entry = self._entries[key.kind].get(key)
        return entry is not None and not entry.whole

    def find(self, *index_key: str, kind: str) -> list[Key]:
        """Return the keys of the objects of `kind` under an index key, sorted."""
        return sorted(key for key in self._index.get(index_key, ()) if key.kind == kind)

    def bodies(self, *index_key: str, kind: str) -> Iterator[Body]:
        """Yield the objects of `kind` under an index key, sorted by key."""
        for key in self.find(*index_key, kind=kind):
            body = self.body(key)
            if body is not None:
                yield body

    def all(self, kind: str) -> Iterator[Body]:
        """Yield every object of a kind, but for those beyond their namespace's share."""
        for entry in self._entries[kind].values():
            if entry.whole:
                yield from_json(entry.text)

    def size(self, kind: str) -> int:
        """Return the number of objects of a kind."""
        return len(self._entries[kind])

    def publish(self) -> None:
        """Set the gauges of cached objects of each watched resource, and of the share of each namespace."""
        metrics.NAMESPACE_BYTES.clear()
        for namespace, written in self._shares.by_namespace().items():
            metrics.NAMESPACE_BYTES.labels(namespace=namespace).set(written)
        for resource in WATCHED:
            metrics.CACHED_OBJECTS.labels(resource=resource.plural).set(self.size(resource.kind))

    def total(self) -> int:
        """Return the number of objects of all kinds."""
        return sum(len(entries) for entries in self._entries.values())

    def _remove(self, key: Key, entry: _Entry) -> None:
        del self._entries[key.kind][key]
        self._shares.change(key.namespace, -entry.written)
        self._unindex(key, entry)

    def _unindex(self, key: Key, entry: _Entry) -> None:
        for index_key in entry.index_keys:
            keys = self._index.get(index_key)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._index[index_key]
