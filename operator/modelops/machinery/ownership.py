"""Which objects belong to a parent. Pure."""

from typing import Literal

from modelops.api.kinds import GROUP, Kind
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body


def kind_label(kind: str) -> str:
    """Return the label that names a child's parent of a kind, such as `modelops.dev/dataset`."""
    return f"{GROUP}/{kind.lower()}"


def is_owned_by(
    body: Body | None, parent: Kind, *, by_label: Literal["Never", "WithoutOwner", "IfManaged"] = "Never"
) -> bool:
    """Return whether an owner reference of an object has the UID of `parent`, or the label rule holds.

    `by_label` says when the label with the parent's name proves as much as an owner reference:

    - Never: a namesake that was deleted may have left the label.
    - WithoutOwner: the object has no owner reference at all, since a person or a restored backup dropped them.
    - IfManaged: the object also has the label app.kubernetes.io/managed-by=modelops, which only the operator writes.
    """
    if body is None:
        return False
    owners = body["metadata"].get("ownerReferences") or []
    labels = body["metadata"].get("labels") or {}
    if any(owner["uid"] == parent.metadata.uid for owner in owners):
        return True
    if labels.get(kind_label(type(parent).__name__)) != parent.metadata.name:
        return False
    match by_label:
        case "Never":
            return False
        case "WithoutOwner":
            return not owners
        case "IfManaged":
            return labels.get(MANAGED_BY) == MANAGER
