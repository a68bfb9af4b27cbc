"""Files of a volume: listed with size and modification time for the change token, pinned by content.

A volume keeps no versions: in a file's manifest line the version is `lineage.digests.BY_CONTENT`, and the entity tag is
the SHA-256 of the content.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import join_fields
from modelops.worker.runtime.beneath import LeadsOutError, open_beneath, opened_directory
from modelops.worker.runtime.regular_file import open_regular_file_beneath

_NOT_DATA = "lost+found"
"""Directory that ext4 keeps in a volume's root, readable by root only."""


class PathEscapesVolumeError(ValueError):
    """A symbolic link points outside the volume, is absolute, or points to nothing."""


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
        PathEscapesVolumeError: a link points outside the volume, is absolute, or points to nothing.
        OSError: a directory or file cannot be read, or was replaced by a link.
    """
    with opened_directory(root) as volume:
        yield from _walk(volume, volume, "")


def open_file(root: Path, path: str) -> FileIO:
    """Open a file of the volume for reading. No link leads out of the volume, also not one that was just now put there.

    Raises:
        PathEscapesVolumeError: a link points outside the volume, or is absolute.
        OSError: the file cannot be read.
    """
    try:
        file = open_regular_file_beneath(root, path, follow_links=True)
    except LeadsOutError as error:
        raise _escapes(path) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _broken(path) from error
    if file is None:
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    return file


def hash_file(root: Path, path: str) -> tuple[VolumeFile, str]:
    """Read a whole file. Return the file's state after the reading, and its SHA-256 in hex.

    Raises:
        PathEscapesVolumeError: a link points outside the volume, or is absolute.
        OSError: the file cannot be read.
    """
    with open_file(root, path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return _volume_file(path, os.fstat(file.fileno())), sha256


def _walk(volume: int, directory: int, prefix: str) -> Iterator[VolumeFile]:
    """Yield every file of a directory, given by its descriptor: a path could lead elsewhere by now."""
    with os.scandir(directory) as entries:
        for entry in entries:
            path = prefix + entry.name
            if path == _NOT_DATA:
                continue
            if entry.is_symlink():
                status = _status_of_target(volume, path)
                if stat.S_ISREG(status.st_mode):
                    yield _volume_file(path, status)
            elif entry.is_dir(follow_symlinks=False):
                inner = _open_directory(directory, entry.name, path)
                try:
                    yield from _walk(volume, inner, f"{path}/")
                finally:
                    os.close(inner)
            elif entry.is_file(follow_symlinks=False):
                yield _volume_file(path, entry.stat(follow_symlinks=False))


def _open_directory(directory: int, name: str, path: str) -> int:
    try:
        return open_beneath(directory, name, os.O_RDONLY | os.O_DIRECTORY, follow_links=False)
    except LeadsOutError as error:
        raise NotADirectoryError(errno.ENOTDIR, "replaced by a link", path) from error


def _status_of_target(volume: int, path: str) -> os.stat_result:
    try:
        target = open_beneath(volume, path, os.O_PATH, follow_links=True)
    except LeadsOutError as error:
        raise _escapes(path) from error
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        raise _broken(path) from error
    try:
        return os.fstat(target)
    finally:
        os.close(target)


def _broken(path: str) -> PathEscapesVolumeError:
    return PathEscapesVolumeError(f'"{path}" is a broken link; replace the link by the file')


def _escapes(path: str) -> PathEscapesVolumeError:
    return PathEscapesVolumeError(
        f'"{path}" links to a path outside the volume, or to an absolute one; replace the link by the file'
    )


def _volume_file(path: str, status: os.stat_result) -> VolumeFile:
    return VolumeFile(path, status.st_size, status.st_mtime_ns)
