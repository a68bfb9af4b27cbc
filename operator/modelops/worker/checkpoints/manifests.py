"""Checkpoints as they are kept: where, and what a manifest says. Pure.

Below a run's prefix each rank has a folder of its own, so that no rank can delete what another one needs:

    rank-0/objects/sha256-<hex>      a file's content, written once
    rank-0/0001767225600000.json     what was there at that time (Unix, in milliseconds), written once
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints

from modelops.api.base import Model
from modelops.store.layout import Location
from modelops.worker.runtime.object_paths import relative_path

_RANK_FOLDER = re.compile(r"rank-(0|[1-9][0-9]{0,5})/")
_MANIFEST = re.compile(r"[0-9]{16}\.json")


def _a_path(text: str) -> str:
    relative_path(text, "")
    return text


_Path = Annotated[str, AfterValidator(_a_path)]


class KeptFile(Model):
    """One file. `mode` is its permissions, `modified` when it was written (Unix, in nanoseconds)."""

    path: _Path
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    modified: Annotated[int, Field(ge=0, lt=2**63)]


class KeptLink(Model):
    """A symbolic link, such as `last.ckpt`, to something beside or below it."""

    path: _Path
    target: str


class Manifest(Model):
    """All that one rank had at one time."""

    files: list[KeptFile] = Field(default_factory=list)
    links: list[KeptLink] = Field(default_factory=list)

    def same_as(self, other: "Manifest") -> bool:
        """The same content: a file that was written again as it was is no change."""
        return self._content() == other._content()

    def _content(self) -> tuple[object, ...]:
        files = {file.path: (file.size, file.sha256, file.mode) for file in self.files}
        return files, {link.path: link.target for link in self.links}

    @property
    def hashes(self) -> set[str]:
        """The SHA-256 of every file's content."""
        return {file.sha256 for file in self.files}


class Restored(Model):
    """What a Pod began with, left by fetch for its sidecar."""

    by_rank: dict[int, Manifest] = Field(default_factory=dict)
    """Whose manifest what is here came from."""
    afresh: bool = False
    """There were checkpoints, and none of them could be used."""


class RankPlace(NamedTuple):
    """Where one rank's checkpoints are kept."""

    run: Location
    rank: int

    @property
    def prefix(self) -> str:
        """The key prefix of all of it."""
        return f"{self.run.key}rank-{self.rank}/"

    def object_key(self, sha256: str) -> str:
        """The key of a file's content."""
        return f"{self.prefix}objects/sha256-{sha256}"

    def manifest_key(self, milliseconds: int) -> str:
        """The key of the manifest of a time."""
        return f"{self.prefix}{milliseconds:016}.json"

    def time_of(self, key: str) -> int | None:
        """The time of a manifest by its key; None for the key of anything else."""
        name = key.removeprefix(self.prefix)
        return int(name.removesuffix(".json")) if key.startswith(self.prefix) and _MANIFEST.fullmatch(name) else None

    def newest_first(self, keys: Iterable[str]) -> list[str]:
        """This rank's manifests among some keys."""
        return sorted((key for key in keys if self.time_of(key) is not None), reverse=True)


def ranks_of(run: Location, keys: Iterable[str]) -> list[RankPlace]:
    """The ranks that have anything below a run's prefix, in order."""
    folders = {_RANK_FOLDER.match(key.removeprefix(run.key)) for key in keys}
    return [RankPlace(run, rank) for rank in sorted({int(folder[1]) for folder in folders if folder})]


def leads_out(target: str) -> bool:
    """Whether a link to `target` may lead to anything but what is beside or below it."""
    path = PurePosixPath(target)
    return not path.parts or path.is_absolute() or ".." in path.parts or "\0" in target
