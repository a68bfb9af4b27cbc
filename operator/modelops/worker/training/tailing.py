"""Follow the trainer's metrics.jsonl while it is written."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from modelops.api.contract.reports import ProgressReport
from modelops.worker.runtime.regular_file import open_regular_file
from modelops.worker.training.progress import Progress
from modelops.worker.training.step_metrics import parsed

_CHUNK_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 20
_HEAD_BYTES = 256


def _utc() -> datetime:
    return datetime.now(UTC)


class Tail:
    """A file's lines so far, and what they come to. May be read and asked by different threads."""

    def __init__(self, file: Path, now: Callable[[], datetime] = _utc) -> None:
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._ignored = 0
        self._begin_anew()

    def read(self) -> None:
        """Take in what is new. A file that was begun anew, by whichever way, is read from its beginning."""
        content = open_regular_file(self._file)
        if content is None:
            return  # It is not there yet, or no longer: what was read stays.
        with content:
            seen = os.fstat(content.fileno())
            head = os.pread(content.fileno(), len(self._head), 0)
            with self._lock:
                if (seen.st_dev, seen.st_ino) != self._identity or seen.st_size < self._read or head != self._head:
                    self._begin_anew()
                    self._identity = (seen.st_dev, seen.st_ino)
            content.seek(self._read)
            while chunk := content.read(_CHUNK_BYTES):
                with self._lock:
                    self._take(chunk)

    def report(self) -> ProgressReport:
        """How far the trainer is, by the lines read."""
        with self._lock:
            return self._progress.report()

    @property
    def ignored(self) -> int:
        """How many lines were no JSON objects, of all files so far."""
        return self._ignored

    def _begin_anew(self) -> None:
        self._progress = Progress()
        self._read = 0
        self._head = b""
        self._lines = 0
        self._rest = b""
        self._skipping = False

    def _take(self, chunk: bytes) -> None:
        if len(self._head) < _HEAD_BYTES and self._read == len(self._head):
            self._head += chunk[: _HEAD_BYTES - len(self._head)]
        self._read += len(chunk)
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._add(line)
        # Of a line that is too long only its end is waited for.
        self._skipping = self._skipping or len(rest) > _LONGEST_LINE_BYTES
        self._rest = b"" if self._skipping else rest

    def _add(self, text: bytes) -> None:
        self._lines += 1
        if not text.strip() and not self._skipping:
            return
        line = None if self._skipping else parsed(text, self._lines)
        self._skipping = False
        if line is None:
            self._ignored += 1
        else:
            self._progress.add(line, self._now())
