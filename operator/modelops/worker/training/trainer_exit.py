"""The trainer's end, as the supervisor leaves it: a pipe that closes, and an exit code, or none."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.graceful_stop import Stop
from modelops.worker.runtime.regular_file import open_regular_file

_POLL_SECONDS = 0.2
_FAILURE_TEXT_CHARACTERS = 1000
_KILLED = 128 + 9


def wait_for_end(state: Path, stop: Stop, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait until the trainer has started, then until its supervisor is gone. True once it is.

    False where a stop is wished: at once before the trainer's start, else when its time to end is over.
    """
    while not (state / "started").exists():
        if stop.wished:
            return False
        sleep(_POLL_SECONDS)
    # Without blocking: a pipe whose writer is gone already would otherwise be waited for until another one comes.
    pipe = os.open(state / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while _has_writer(pipe):
            if stop.waits_no_longer:
                return False
            sleep(_POLL_SECONDS)
        return True
    finally:
        os.close(pipe)


def exit_code(state: Path) -> int | None:
    """What the trainer exited with; None when it was killed together with its supervisor."""
    try:
        return int((state / "exit-code").read_text())
    except (FileNotFoundError, ValueError):
        return None


def was_killed(code: int | None) -> bool:
    """Whether it had no chance to finish what it was writing. A signal that it can catch is its own affair."""
    return code is None or code == _KILLED


def check_end(code: int | None, failure_file: Path) -> None:
    """Raise TaskError unless the trainer succeeded. The sidecar then exits with 0: the trainer already fails the Pod."""
    if code == 0:
        return
    if code is None:
        raise TaskError(
            "TrainerKilled",
            "the trainer was killed before it could leave an exit code, as the kernel does when memory runs out",
            exit_zero=True,
        )
    text = failure_text(failure_file)
    if code == _KILLED and not text:
        raise TaskError(
            "TrainerKilled",
            "the trainer was killed (exit code 137), as the kernel does when memory runs out",
            exit_zero=True,
        )
    raise TaskError("TrainerFailed", text or f"the trainer exited with code {code}", exit_zero=True)


def failure_text(file: Path) -> str:
    """The beginning of what the trainer left as the reason of its failure; empty where it left nothing."""
    content = open_regular_file(file)
    if content is None:
        return ""
    with content:
        text = content.read(4 * _FAILURE_TEXT_CHARACTERS).decode(errors="replace")
    printable = "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)
    return printable.strip()[:_FAILURE_TEXT_CHARACTERS]


def _has_writer(pipe: int) -> bool:
    """Nobody writes to it: to read is to wait while it is held open, and its end when it is not."""
    try:
        return bool(os.read(pipe, 1))
    except BlockingIOError:
        return True
