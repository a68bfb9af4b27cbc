"""Files of a volume: listed with size and modification time for the change token, pinned by content.

A volume keeps no versions: in a file's manifest line the version is `lineage.digests.BY_CONTENT`, and the entity tag is
the SHA-256 of the content.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import join_fields

_NOT_DATA = "lost+found"
"""Directory that ext4 keeps in a volume's root, readable by root only."""


class PathEscapesVolumeError(ValueError):
    """A symbolic link points outside the volume, or to nothing."""


class VolumeFile(NamedTuple):
    """One file: path relative to the volume, size in bytes, modification time in nanoseconds."""

    path: str
    size: int
    modified_ns: int

    @property
    def line(self) -> bytes:
        """Line of a listing: `path NUL size NUL mtime_ns LF`. Raises UnrepresentableNameError."""
        return join_fields(self.path, str(self.size), str(self.modified_ns))


def parse_line(line: bytes) -> VolumeFile:
    """Parse a line that `VolumeFile.line` wrote."""
    path, size, modified = line.removesuffix(b"\n").decode().split("\0")
    return VolumeFile(path, int(size), int(modified))


def walk_files(root: Path) -> Iterator[VolumeFile]:
    """Yield every file below `root`, in no particular order.

    A link to a file counts as a file. Links to directories are not followed, so no file counts twice, and a loop of
    links cannot be endless.

    Raises:
        PathEscapesVolumeError: a link points outside the volume, or to nothing.
        OSError: a directory or file cannot be read.
    """
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name != _NOT_DATA:
                yield from _walk_entry(root, entry)


def resolve_inside(root: Path, path: str) -> Path:
    """Resolve all links of `path` below `root`. Raises PathEscapesVolumeError."""
    real = Path(os.path.realpath(root / path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise PathEscapesVolumeError(f'"{path}" links to a path outside the volume; replace the link by the file')
    return real


def hash_file(root: Path, path: str) -> tuple[VolumeFile, str]:
    """Read a whole file. Return the file's state after the reading, and its SHA-256 in hex.

    Raises:
        PathEscapesVolumeError: a link points outside the volume.
        OSError: the file cannot be read.
    """
    with resolve_inside(root, path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return _volume_file(path, os.fstat(file.fileno())), sha256


def _walk_entry(root: Path, entry: "os.DirEntry[str]") -> Iterator[VolumeFile]:
    path = os.path.relpath(entry.path, root)
    if entry.is_symlink():
        real = resolve_inside(root, path)
        if not real.exists():
            raise PathEscapesVolumeError(f'"{path}" is a broken link; replace the link by the file')
        if real.is_file():
            yield _volume_file(path, real.stat())
    elif entry.is_dir():
        with os.scandir(entry.path) as entries:
            for inner in entries:
                yield from _walk_entry(root, inner)
    elif entry.is_file():
        yield _volume_file(path, entry.stat())


def _volume_file(path: str, status: os.stat_result) -> VolumeFile:
    return VolumeFile(path, status.st_size, status.st_mtime_ns)
