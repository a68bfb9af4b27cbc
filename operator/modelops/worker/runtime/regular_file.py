"""Open a file that a trainer wrote, provided that it is a regular file."""

import os
import stat
from io import FileIO
from pathlib import Path


def open_regular_file(file: Path) -> FileIO | None:
    """Open a file for reading. Return None if it does not exist or is not a regular file.

    Links are not followed, since a link could lead to the worker's credentials. A pipe is not waited for, since it may
    never have a writer.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return FileIO(descriptor)
    os.close(descriptor)
    return None
