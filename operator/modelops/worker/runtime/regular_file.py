"""Open what a trainer wrote, if it is a plain file."""

import os
import stat
from io import FileIO
from pathlib import Path


def open_regular_file(file: Path) -> FileIO | None:
    """The file for reading; None where there is none, or something else.

    Neither followed nor waited for: a link could lead to our credentials, and a pipe may have no writer.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return FileIO(descriptor)
    os.close(descriptor)
    return None
