"""Kubernetes' extensions of JSON Schema for pydantic fields and models: list types and CEL rules."""

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

Rule = tuple[str, str]
"""CEL expression that must be true, and the message for the user when it is false."""


def cel(*pairs: Rule) -> dict[str, Any]:
    """Return the extension `x-kubernetes-validations`."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def rules(*pairs: Rule) -> ConfigDict:
    """Return a model's configuration with CEL rules over the whole object."""
    return ConfigDict(json_schema_extra=cel(*pairs))


def list_rules(*pairs: Rule) -> FieldInfo:
    """Add CEL rules over a whole list."""
    return _extended(cel(*pairs))


def list_map(*keys: str) -> FieldInfo:
    """Mark a list whose items are identified by `keys`: server-side apply merges it item by item."""
    return _extended({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


def list_set() -> FieldInfo:
    """Mark a list of distinct scalars."""
    return _extended({"x-kubernetes-list-type": "set"})


def list_atomic() -> FieldInfo:
    """Mark a list that server-side apply replaces as a whole."""
    return _extended({"x-kubernetes-list-type": "atomic"})


def opaque_object() -> FieldInfo:
    """Mark an object of Kubernetes' own API, which is validated when the child that contains it is applied."""
    return _extended({"x-kubernetes-preserve-unknown-fields": True})


def _extended(extension: dict[str, Any]) -> FieldInfo:
    field: FieldInfo = Field(json_schema_extra=extension)
    return field
