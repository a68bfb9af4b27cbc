"""What of a dataset is on disk already, so that an init container that is run again goes on where it was ended.

A journal is a file of lines, each appended once what it says is so, in the order in which the work is done. A line
holds what can be seen of the work: of a finished file its size, inode and time of last change, so that one that was
written to since is not taken for finished. The first line names the boot of the machine: what was written before a
crash of the machine may not have reached its disk, so nothing of it is believed.
"""

import uuid
from pathlib import Path
from types import TracebackType

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FORMAT = "modelops-fetch 1"


class Journal:
    """The lines in `file`, believed as long as each is the one that would be written now; for one thread."""

    def __init__(self, file: Path, digest: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        self._lines = file.open("r+b")
        self._believed = 0
        """Up to where the lines are believed, in bytes."""
        self._reading = True
        header = f"{_FORMAT} {_boot()} {digest}"
        if not self.has(header):
            self.append(header)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def has(self, line: str) -> bool:
        """Whether the next line is this one. After the first that is not, none is: it and what follows is dropped."""
        if not self._reading:
            return False
        encoded = _encoded(line)
        if self._lines.readline() == encoded:
            self._believed += len(encoded)
            return True
        self._reading = False
        self._lines.seek(self._believed)
        self._lines.truncate()
        return False

    def append(self, line: str) -> None:
        """Write a line, at once. Every line before it has been asked for."""
        self._lines.write(_encoded(line))
        self._lines.flush()


def fingerprint(file: Path, *, finished: bool) -> str:
    """What tells a file from one that was put in its place and, once finished, from one that was written to since.

    Empty where there is no file.
    """
    try:
        seen = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{seen.st_ino} {seen.st_size}" + (f" {seen.st_mtime_ns}" if finished else "")


def _encoded(line: str) -> bytes:
    return line.encode() + b"\n"


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return uuid.uuid4().hex  # Unknown is another one every time.
