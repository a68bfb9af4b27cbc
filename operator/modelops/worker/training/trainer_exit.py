"""End of the trainer as its supervisor records it: a pipe that closes, and an exit code unless it was killed."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import GracefulStop
from modelops.worker.runtime.regular_file import open_regular_file

_POLL_SECONDS = 0.2
_MAX_FAILURE_CHARACTERS = 1000
_SIGKILL_CODE = 128 + 9
_MAX_EXIT_CODE_BYTES = 16


def wait_for_end(state: Path, stop: GracefulStop, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until the trainer has started, then until its supervisor has ended. Return True once it has.

    Return False if a stop is requested before the start, or if the trainer outlasts its grace period after a stop.
    """
    while not (state / "started").exists():
        if stop.requested:
            return False
        sleep(_POLL_SECONDS)
    # Non-blocking: opening a pipe whose writer has already exited would wait for another writer.
    pipe = os.open(state / "alive", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        while _has_writer(pipe):
            if stop.trainer_grace_expired:
                return False
            sleep(_POLL_SECONDS)
        return True
    finally:
        os.close(pipe)


def exit_code(state: Path) -> int | None:
    """Return the trainer's exit code; None if it was killed together with its supervisor, or has left no such file."""
    content = open_regular_file(state / "exit-code")
    if content is None:
        return None
    with content:
        text = content.read(_MAX_EXIT_CODE_BYTES)
    try:
        return int(text)
    except ValueError:
        return None


def was_killed(code: int | None) -> bool:
    """Return True if the trainer could not finish a file that it was writing.

    Signals other than SIGKILL do not count: the trainer can catch them.
    """
    return code is None or code == _SIGKILL_CODE


def raise_if_failed(code: int | None, failure_file: Path) -> None:
    """Raise TaskError unless the trainer succeeded. The sidecar exits with 0: the trainer already fails the Pod."""
    if code == 0:
        return
    if code is None:
        raise TaskError(
            "TrainerKilled",
            "the trainer was killed before it could leave an exit code, as the kernel does when memory runs out",
            exit_zero=True,
        )
    text = _failure_text(failure_file)
    if code == _SIGKILL_CODE and not text:
        raise TaskError(
            "TrainerKilled",
            "the trainer was killed (exit code 137), as the kernel does when memory runs out",
            exit_zero=True,
        )
    raise TaskError("TrainerFailed", text or f"the trainer exited with code {code}", exit_zero=True)


def _failure_text(file: Path) -> str:
    """Return the beginning of the trainer's failure file, without control characters; empty if there is none."""
    content = open_regular_file(file)
    if content is None:
        return ""
    with content:
        text = content.read(4 * _MAX_FAILURE_CHARACTERS).decode(errors="replace")
    printable = "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)
    return printable.strip()[:_MAX_FAILURE_CHARACTERS]


def _has_writer(pipe: int) -> bool:
    """Return False at the end of the pipe. Nothing is ever written: a read only tells whether it is held open."""
    try:
        return bool(os.read(pipe, 1))
    except BlockingIOError:
        return True
