"""The files of a volume: found, told by a token from what they were, and pinned by their content.

A volume keeps no versions: in a manifest line a file has `lineage.digests.BY_CONTENT` for a version, and the SHA-256 of
its content for an entity tag.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import join_fields

_NOT_DATA = "lost+found"
"""What ext4 keeps in a volume's root, for root alone."""


class PathEscapesVolumeError(ValueError):
    """A symbolic link to something that is not in the volume, or not there."""


class Found(NamedTuple):
    """One file: its path relative to the volume, its size in bytes, when it was last written to."""

    path: str
    size: int
    modified_ns: int

    @property
    def line(self) -> bytes:
        """`path NUL size NUL mtime_ns LF`. Raises UnrepresentableNameError."""
        return join_fields(self.path, str(self.size), str(self.modified_ns))


def parse(line: bytes) -> Found:
    """The file that a line of ours speaks of."""
    path, size, modified = line.removesuffix(b"\n").decode().split("\0")
    return Found(path, int(size), int(modified))


def walk(root: Path) -> Iterator[Found]:
    """Every file below `root`, in no order.

    A link to a file counts as one; links to directories are not followed, so that no file counts twice and no loop
    is endless. Raises PathEscapesVolumeError for a link that leads out of the volume or nowhere, and OSError.
    """
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name != _NOT_DATA:
                yield from _of_entry(root, entry)


def inside(root: Path, path: str) -> Path:
    """The file itself, behind all links, that `path` means below `root`. Raises PathEscapesVolumeError."""
    real = Path(os.path.realpath(root / path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise PathEscapesVolumeError(f'"{path}" leads out of the volume; put the file itself there')
    return real


def content(root: Path, path: str) -> tuple[Found, str]:
    """Read a file whole: what it was after that, and its SHA-256 in hex. Raises PathEscapesVolumeError and OSError."""
    with inside(root, path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return _found(path, os.fstat(file.fileno())), sha256


def _of_entry(root: Path, entry: "os.DirEntry[str]") -> Iterator[Found]:
    path = os.path.relpath(entry.path, root)
    if entry.is_symlink():
        real = inside(root, path)
        if not real.exists():
            raise PathEscapesVolumeError(f'"{path}" is a link that leads nowhere; put the file itself there')
        if real.is_file():
            yield _found(path, real.stat())
    elif entry.is_dir():
        with os.scandir(entry.path) as entries:
            for inner in entries:
                yield from _of_entry(root, inner)
    elif entry.is_file():
        yield _found(path, entry.stat())


def _found(path: str, seen: os.stat_result) -> Found:
    return Found(path, seen.st_size, seen.st_mtime_ns)
