"""Ownership of objects: by the reference to their controller, or by label where nobody else can own them. Pure."""

from typing import Any, Literal

from modelops.api.kinds import GROUP, Kind
from modelops.machinery.resources import MANAGED_BY, MANAGER, Body


def kind_label(kind: str) -> str:
    """Return the key of the label whose value is the name of a parent of `kind`, such as `modelops.dev/dataset`."""
    return f"{GROUP}/{kind.lower()}"


def controller_of(body: Body) -> dict[str, Any] | None:
    """Return the owner reference to an object's controller, of which there is at most one; None if there is none."""
    owners = body["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_owned_by(body: Body | None, parent: Kind, *, by_label: Literal["Never", "WithoutOwner"] = "Never") -> bool:
    """Return whether `parent` controls an object of its namespace, or the label rule holds.

    `by_label` says when the label with the parent's name proves as much as an owner reference:

    - Never: a namesake that was deleted may have left the label.
    - WithoutOwner: the object has no owner reference at all, since a person or a restored backup dropped them.
    """
    if body is None or body["metadata"]["namespace"] != parent.metadata.namespace:
        return False
    controller = controller_of(body)
    if controller is not None:
        return bool(controller["uid"] == parent.metadata.uid)
    return by_label == "WithoutOwner" and not body["metadata"].get("ownerReferences") and _named_by_label(body, parent)


def may_write(existing: Body, desired: Body, parent: Kind) -> bool:
    """Return whether an existing object is the child `desired` of `parent`, or one that nobody else can own.

    The latter has the operator's labels with the parent's name, and either no owner, or as its controller a namesake of
    the desired one: a name has one object at a time, so the namesake has been deleted. A Job cannot be changed, so a
    Job that another one made never becomes the child.
    """
    controller, wanted = controller_of(existing), controller_of(desired)
    if wanted is not None and controller is not None and controller["uid"] == wanted["uid"]:
        return True
    labels = existing["metadata"].get("labels") or {}
    if desired["kind"] == "Job" or labels.get(MANAGED_BY) != MANAGER or not _named_by_label(existing, parent):
        return False
    if wanted is None:
        return True
    if controller is None:
        return not existing["metadata"].get("ownerReferences")
    return all(controller[part] == wanted[part] for part in ("kind", "name"))


def _named_by_label(body: Body, parent: Kind) -> bool:
    labels = body["metadata"].get("labels") or {}
    return bool(labels.get(kind_label(type(parent).__name__)) == parent.metadata.name)
