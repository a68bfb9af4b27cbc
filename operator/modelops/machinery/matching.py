"""Comparison of desired and existing objects, so that nothing is written without need."""

from typing import Any


def already_applied(desired: Any, existing: Any) -> bool:
    """Return whether every field of `desired` has the same value in `existing`.

    Fields that only `existing` has are ignored: the API server fills in defaults. Lists are compared item by item, by
    position. A quantity in another notation counts as different, which costs one apply that changes nothing.
    """
    if isinstance(desired, dict):
        return isinstance(existing, dict) and all(
            already_applied(value, existing.get(key)) or (value in ({}, []) and not existing.get(key))
            for key, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(existing, list)
            and len(desired) == len(existing)
            and all(already_applied(item, other) for item, other in zip(desired, existing, strict=True))
        )
    return bool(desired == existing)


def merge_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns `old` into `new`; empty when they are equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
