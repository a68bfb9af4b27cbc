"""Children in the cache: objects of a namespace that one object controls. Pure.

A UID alone proves nothing: whoever may create an object can write any UID into its owner references. The garbage
collector takes an owner of another namespace for a missing one, so a child is always in its owner's namespace.
"""

from collections.abc import Iterator

from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.ownership import controller_of
from modelops.machinery.resources import Body

_OWNED = "owned"


def by_owner(body: Body) -> list[IndexKey]:
    """Return the index key of a child: its namespace, and the UID of its controller there."""
    controller = controller_of(body)
    return [(_OWNED, body["metadata"]["namespace"], controller["uid"])] if controller is not None else []


def owned(namespace: str, uid: str, cache: Cache, kind: str) -> Iterator[Body]:
    """Yield the objects of a kind that the object with this UID controls in its namespace, sorted by name."""
    return cache.bodies(_OWNED, namespace, uid, kind=kind)
