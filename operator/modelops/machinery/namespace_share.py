"""Share of a namespace in the cache: the bytes that its users have written into objects of the four kinds. Pure."""

from collections import Counter

from pydantic_core import to_json

from modelops.machinery.resources import Body

_IDENTITY = ("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_MEBIBYTE = 1024 * 1024


class NamespaceShares:
    """Bytes of each namespace, and their bound."""

    def __init__(self, mebibytes: int) -> None:
        self._limit = mebibytes * _MEBIBYTE
        self._bytes: Counter[str] = Counter()

    def admits(self, namespace: str, before: int, after: int) -> bool:
        """Return whether an object that grows from `before` to `after` bytes keeps its namespace within the bound."""
        return after <= before or self._bytes[namespace] - before + after <= self._limit

    def change(self, namespace: str, difference: int) -> None:
        """Add the bytes of an object to those of its namespace; negative: take them away."""
        self._bytes[namespace] += difference
        if not self._bytes[namespace]:
            del self._bytes[namespace]

    def by_namespace(self) -> dict[str, int]:
        """Return the bytes of every namespace that has any."""
        return dict(self._bytes)


def written_bytes(body: Body) -> int:
    """Return the size of what users write of an object, in bytes: its status is the operator's."""
    return len(to_json({part: value for part, value in body.items() if part != "status"}))


def left_out(body: Body) -> Body:
    """Return what the cache keeps of an object beyond its namespace's bound: who it is, and its conditions."""
    metadata = {part: body["metadata"][part] for part in _IDENTITY if part in body["metadata"]}
    conditions = (body.get("status") or {}).get("conditions") or []
    return {"kind": body["kind"], "metadata": metadata, "status": {"conditions": conditions}}


def message(namespace: str, mebibytes: int) -> str:
    """Return the message for an object that is left out."""
    return (
        f'left alone: the objects of the four kinds in namespace "{namespace}" have more than {mebibytes} MiB in specs'
        " and annotations; delete or shorten some of them, or raise cache.mebibytesPerNamespace of the chart"
    )
