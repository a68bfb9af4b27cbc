"""Open a file that others write, such as a trainer, provided that it is a regular file."""

import os
import stat
from io import FileIO
from pathlib import Path

from modelops.worker.runtime.beneath import open_beneath, opened_directory


def open_regular_file(file: Path) -> FileIO | None:
    """Open a file for reading. Return None if it does not exist or is not a regular file.

    Links are not followed, since a link could lead to the worker's credentials. A pipe is not waited for, since it may
    never have a writer.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    return _if_regular(descriptor)


def open_regular_file_beneath(directory: Path, path: str, *, follow_links: bool = False) -> FileIO | None:
    """Open a file of a directory for reading. Return None if it is not a regular file.

    What is read is beneath the directory, whoever replaces a part of the path by a link meanwhile.

    Raises:
        LeadsOutError: the path leads out of the directory, or has a link that is not followed.
        OSError: the file cannot be opened.
    """
    with opened_directory(directory) as root:
        return _if_regular(open_beneath(root, path, os.O_RDONLY, follow_links=follow_links))


def path_of(file: FileIO) -> Path:
    """Return a path by which a library opens this very file, whatever lies meanwhile where the file was found."""
    return Path(f"/proc/self/fd/{file.fileno()}")


def _if_regular(descriptor: int) -> FileIO | None:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return FileIO(descriptor)
    os.close(descriptor)
    return None
