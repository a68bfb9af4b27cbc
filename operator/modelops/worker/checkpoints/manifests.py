"""Layout of checkpoints in S3, and the content of their manifests. Pure.

Each rank has a folder of its own below the run's prefix, so that no rank can delete an object that another rank needs:

    rank-0/objects/sha256-<hex>      content of a file, written once
    rank-0/0001767225600000.json     manifest of the rank at that time (Unix, in milliseconds), written once
"""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints

from modelops.api.base import Model
from modelops.api.checkpoints import Checkpoint
from modelops.store.layout import Location
from modelops.worker.runtime.object_paths import relative_path

_RANK_FOLDER = re.compile(r"rank-(0|[1-9][0-9]{0,5})/")
_MANIFEST = re.compile(r"[0-9]{16}\.json")

MAX_MANIFEST_BYTES = 16 << 20
"""Largest manifest that is written or read: some sixty thousand files of one rank."""


def _valid_path(text: str) -> str:
    relative_path(text, "")
    return text


_Path = Annotated[str, AfterValidator(_valid_path)]


class CheckpointFile(Model):
    """Saved file. `mode` is its permissions, `modified` its time of modification (Unix, in nanoseconds)."""

    path: _Path
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    modified: Annotated[int, Field(ge=0, lt=2**63)]


class CheckpointLink(Model):
    """Saved symbolic link, such as `last.ckpt`, to an entry beside or below it."""

    path: _Path
    target: str


class CheckpointManifest(Model):
    """Files and links of one rank at one time."""

    files: list[CheckpointFile] = Field(default_factory=list)
    links: list[CheckpointLink] = Field(default_factory=list)

    def same_content(self, other: "CheckpointManifest") -> bool:
        """Return True if both have the same files and links. Times of modification do not count."""
        return self._content() == other._content()

    def _content(self) -> tuple[object, ...]:
        files = {file.path: (file.size, file.sha256, file.mode) for file in self.files}
        return files, {link.path: link.target for link in self.links}

    @property
    def hashes(self) -> set[str]:
        """SHA-256 of every file's content, in hex."""
        return {file.sha256 for file in self.files}


class Restored(Model):
    """Checkpoints that a Pod began with, passed by `fetch` to the sidecar."""

    by_rank: dict[int, CheckpointManifest] = Field(default_factory=dict)
    """Restored files and links, by the rank whose manifest named them."""
    unusable: bool = False
    """True if there were checkpoints but none could be used, so that the trainer starts from the beginning."""


class RankFolder(NamedTuple):
    """Folder of one rank's checkpoints below the run's prefix."""

    run: Location
    rank: int

    @property
    def prefix(self) -> str:
        """Key prefix of the folder, with its slash."""
        return f"{self.run.key}rank-{self.rank}/"

    def object_key(self, sha256: str) -> str:
        """Return the key of a file's content by its SHA-256 in hex."""
        return f"{self.prefix}objects/sha256-{sha256}"

    def manifest_key(self, milliseconds: int) -> str:
        """Return the key of the manifest of a time (Unix, in milliseconds)."""
        return f"{self.prefix}{milliseconds:016}.json"

    def time_of(self, key: str) -> int | None:
        """Return the time of a manifest (Unix, in milliseconds) by its key; None if the key is not a manifest's."""
        name = key.removeprefix(self.prefix)
        return int(name.removesuffix(".json")) if key.startswith(self.prefix) and _MANIFEST.fullmatch(name) else None

    def pin(self, milliseconds: int, digest: str) -> Checkpoint:
        """Return the pin of the manifest of a time (Unix, in milliseconds) with a digest."""
        return Checkpoint(rank=self.rank, manifest=f"{milliseconds:016}", digest=digest)

    def pinned(self, checkpoints: Iterable[Checkpoint]) -> dict[str, str]:
        """Return the digests of this rank's pinned manifests by their keys, the newest first."""
        own = sorted((pin for pin in checkpoints if pin.rank == self.rank), key=lambda pin: pin.manifest, reverse=True)
        return {self.manifest_key(int(pin.manifest)): pin.digest for pin in own}


def is_manifest(run: Location, key: str) -> bool:
    """Return whether a key below a run's prefix is that of a manifest."""
    folder = _RANK_FOLDER.match(key.removeprefix(run.key))
    return folder is not None and RankFolder(run, int(folder[1])).time_of(key) is not None


def leads_outside(target: str) -> bool:
    """Return True if a link to `target` may lead to anything but an entry beside or below the link."""
    path = PurePosixPath(target)
    return not path.parts or path.is_absolute() or ".." in path.parts or "\0" in target
