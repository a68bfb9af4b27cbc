"""Storages for kopf that store nothing.

By default kopf copies every object of every event, for kinds of handlers that this operator does not have.
"""

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Storage of last-seen states that builds, keeps and compares nothing."""

    def build(self, **_: Any) -> Any:
        """Return an empty state."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return None."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Storage of the progress of handlers that keeps nothing."""

    def fetch(self, **_: Any) -> Any:
        """Return None."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Mark nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the object's essence unchanged."""
        return essence
