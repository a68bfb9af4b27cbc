"""Saved checkpoints of a training, each named by its worker and time, and pinned by the digest of its manifest."""

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.types import Digest

MAX_WORKERS = 256
KEPT_FOR_EACH_WORKER = 2
"""Number of a worker's newest checkpoints that are kept: if one is not whole, the one before is restored."""


class Checkpoint(Model):
    """State of one worker's /opt/ml/checkpoints that is in the store."""

    rank: Annotated[int, Field(ge=0, lt=MAX_WORKERS)]
    """Rank of the worker, from 0."""
    manifest: Annotated[str, StringConstraints(pattern=r"^[0-9]{16}$", max_length=16)]
    """Name of the manifest in the worker's folder: the time at which it was saved (Unix, in milliseconds)."""
    digest: Digest
    """SHA-256 of the manifest, which has the SHA-256 of every file."""


Checkpoints = Annotated[list[Checkpoint], Field(max_length=MAX_WORKERS * KEPT_FOR_EACH_WORKER)]


def newest_checkpoints(*sources: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Return the newest checkpoints of each worker, by rank and then the newest first.

    Of two with the same rank and manifest that of the earlier source stays: a manifest is written once. Pure.
    """
    first: dict[tuple[int, str], Checkpoint] = {}
    for source in sources:
        for checkpoint in source:
            first.setdefault((checkpoint.rank, checkpoint.manifest), checkpoint)
    by_rank = groupby(sorted(first.values(), key=lambda pinned: pinned.rank), key=lambda pinned: pinned.rank)
    newest_first = (sorted(group, key=lambda pinned: pinned.manifest, reverse=True) for _, group in by_rank)
    return [pinned for group in newest_first for pinned in group[:KEPT_FOR_EACH_WORKER]]
