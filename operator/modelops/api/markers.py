"""Kubernetes' extensions to a JSON Schema, attached to pydantic fields and models: list types and CEL rules."""

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

Rule = tuple[str, str]
"""A CEL expression that must hold, and the sentence a person reads when it does not."""


def cel(*pairs: Rule) -> dict[str, Any]:
    """The `x-kubernetes-validations` extension."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def rules(*pairs: Rule) -> ConfigDict:
    """A model's configuration that carries CEL rules over the whole object."""
    return ConfigDict(json_schema_extra=cel(*pairs))


def list_map(*keys: str) -> FieldInfo:
    """A list whose items are told apart by `keys`: server-side apply merges it item by item."""
    return _extended({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


def list_set() -> FieldInfo:
    """A list of distinct scalars."""
    return _extended({"x-kubernetes-list-type": "set"})


def list_atomic() -> FieldInfo:
    """A list that is replaced as a whole."""
    return _extended({"x-kubernetes-list-type": "atomic"})


def opaque_object() -> FieldInfo:
    """An object of Kubernetes' own, whose fields the API server checks when the child that carries it is applied."""
    return _extended({"x-kubernetes-preserve-unknown-fields": True})


def _extended(extension: dict[str, Any]) -> FieldInfo:
    return Field(json_schema_extra=extension)
