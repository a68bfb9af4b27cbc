"""Journal of a download: what is on disk already, so that a restarted init container resumes the download.

A journal is a file of lines. Each line is appended once its range is on disk, in the order of the work, and holds a
fingerprint of the file: of a finished file its size, inode and modification time, so that a file that was written to
since does not count as finished. The first line names the boot of the machine: data written before a crash of the
machine may not have reached the disk, so the journal of an earlier boot is discarded.
"""

import uuid
from pathlib import Path
from types import TracebackType

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FORMAT = "modelops-fetch 1"


class DownloadJournal:
    """Journal in `file`. A line is valid as long as the same line would be written now. For use by one thread."""

    def __init__(self, file: Path, digest: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        self._lines = file.open("r+b")
        self._valid_bytes = 0
        self._reading = True
        header = f"{_FORMAT} {_boot()} {digest}"
        if not self.confirms(header):
            self.append(header)

    def __enter__(self) -> "DownloadJournal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def confirms(self, line: str) -> bool:
        """Read the next line and return whether it equals `line`.

        After the first line that differs, the answer is always False: that line and the rest of the file are removed.
        """
        if not self._reading:
            return False
        encoded = _encode(line)
        if self._lines.readline() == encoded:
            self._valid_bytes += len(encoded)
            return True
        self._reading = False
        self._lines.seek(self._valid_bytes)
        self._lines.truncate()
        return False

    def append(self, line: str) -> None:
        """Write a line at once. Every line before it must have been passed to `confirms`."""
        self._lines.write(_encode(line))
        self._lines.flush()


def fingerprint(file: Path, *, finished: bool) -> str:
    """Return text that changes if the file is replaced and, with `finished`, if the file is written to.

    Empty without a file.
    """
    try:
        status = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{status.st_ino} {status.st_size}" + (f" {status.st_mtime_ns}" if finished else "")


def _encode(line: str) -> bytes:
    return line.encode() + b"\n"


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return uuid.uuid4().hex  # An unknown boot differs from every other.
