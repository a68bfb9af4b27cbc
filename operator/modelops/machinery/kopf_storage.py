"""Storages for kopf that store nothing: by default it copies every object of every event, for handlers we have not."""

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """No last-seen state of an object is built, kept or compared."""

    def build(self, **_: Any) -> Any:
        """Nothing of the object."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing was kept."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


class NoProgress(kopf.ProgressStorage):
    """No handler has progress."""

    def fetch(self, **_: Any) -> Any:
        """Nothing was kept."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""

    def purge(self, **_: Any) -> None:
        """There is nothing to remove."""

    def touch(self, **_: Any) -> None:
        """There is nothing to mark."""

    def clear(self, *, essence: Any) -> Any:
        """There is nothing to take out."""
        return essence
