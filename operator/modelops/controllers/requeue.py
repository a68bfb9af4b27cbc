"""Time of the next reconcile of an object. Pure."""

from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T", datetime, timedelta)


def earliest(*times: T | None) -> T | None:
    """Return the earliest of the times (or the shortest of the lengths) that are not None; None if all of them are."""
    return min((time for time in times if time is not None), default=None)
