"""Whether an object already is what it shall be, so that nothing is written."""

from typing import Any


def already_applied(wanted: Any, found: Any) -> bool:
    """Every field of `wanted` is so in `found`. What the server added is no difference; list items are told by place.

    A quantity written in another way counts as different: that costs one apply that changes nothing, never correctness.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            already_applied(value, found.get(key)) or (value in ({}, []) and not found.get(key))
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(already_applied(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return wanted == found


def merge_patch(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) that makes `new` of `old`; empty where they are equal."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif key not in old or before != value:
            patch[key] = value
    return patch
