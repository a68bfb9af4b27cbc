"""Follow the trainer's metrics.jsonl while the trainer writes to it."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from modelops.api.contract.reports import ProgressReport
from modelops.worker.runtime.regular_file import open_regular_file
from modelops.worker.training.progress import Progress
from modelops.worker.training.step_metrics import parse_line

_CHUNK_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 20
_HEAD_BYTES = 256


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Tail:
    """Progress from the lines of a file so far. All methods may be called from different threads."""

    def __init__(self, file: Path, now: Callable[[], datetime] = _utc_now) -> None:
        self._file = file
        self._now = now
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._ignored = 0
        self._reset()

    def read(self) -> None:
        """Read new lines. A file that was truncated or replaced is read from its beginning."""
        with self._reading:
            self._read()

    def _read(self) -> None:
        content = open_regular_file(self._file)
        if content is None:
            return  # Not written yet, or deleted: the progress so far stays.
        with content:
            status = os.fstat(content.fileno())
            head = os.pread(content.fileno(), len(self._head), 0)
            with self._lock:
                if (
                    (status.st_dev, status.st_ino) != self._identity
                    or status.st_size < self._position
                    or head != self._head
                ):
                    self._reset()
                    self._identity = (status.st_dev, status.st_ino)
            content.seek(self._position)
            while chunk := content.read(_CHUNK_BYTES):
                with self._lock:
                    self._add_chunk(chunk)

    def report(self) -> ProgressReport:
        """Return the progress by the lines read so far."""
        with self._lock:
            return self._progress.report()

    @property
    def ignored(self) -> int:
        """Number of lines that were not JSON objects, in all files so far."""
        return self._ignored

    def _reset(self) -> None:
        self._progress = Progress()
        self._position = 0
        self._head = b""
        self._lines = 0
        self._incomplete = b""
        self._skipping = False

    def _add_chunk(self, chunk: bytes) -> None:
        if len(self._head) < _HEAD_BYTES and self._position == len(self._head):
            self._head += chunk[: _HEAD_BYTES - len(self._head)]
        self._position += len(chunk)
        *lines, incomplete = (self._incomplete + chunk).split(b"\n")
        for line in lines:
            self._add_line(line)
        # A line that is too long is skipped up to its end, without being kept.
        self._skipping = self._skipping or len(incomplete) > _MAX_LINE_BYTES
        self._incomplete = b"" if self._skipping else incomplete

    def _add_line(self, text: bytes) -> None:
        self._lines += 1
        if not text.strip() and not self._skipping:
            return
        line = None if self._skipping else parse_line(text, self._lines)
        self._skipping = False
        if line is None:
            self._ignored += 1
        else:
            self._progress.add(line, self._now())
