"""metrics.jsonl is read while it is written, rotated and truncated: no line counts twice, or before it is complete."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelops.worker.training import tailing
from modelops.worker.training.tailing import Tail


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def lines(*steps: int) -> bytes:
    return b"".join(b'{"step": %d, "loss": %d}\n' % (step, step) for step in steps)


def read_steps(tail: Tail) -> list[int]:
    tail.read()
    return [point.step for point in tail.report().points]


def test_a_file_is_read_as_it_grows(file: Path) -> None:
    """A trainer may take its time before it writes the first line."""
    tail = Tail(file)
    assert read_steps(tail) == []
    file.write_bytes(lines(1, 2))
    assert read_steps(tail) == [1, 2]
    assert read_steps(tail) == [1, 2]
    with file.open("ab") as output:
        output.write(lines(3))
    assert read_steps(tail) == [1, 2, 3]


def test_an_incomplete_line_counts_once_it_is_complete(file: Path) -> None:
    """A line that is being written is not a bad line, even if a character is cut in two."""
    tail, text = Tail(file), '{"step": 1, "é": 2}\n'.encode()
    for end in range(len(text)):
        file.write_bytes(text[:end])
        assert read_steps(tail) == []
    file.write_bytes(text)
    assert read_steps(tail) == [1]
    assert tail.ignored == 0
    last = tail.report().last
    assert last is not None
    assert last.metrics == {"é": 2}


def test_bad_lines_are_counted_and_ignored(file: Path) -> None:
    """Anything may stand between good lines. Blank lines are not counted as bad. Every line has its number."""
    file.write_bytes(b"hello\n\n[1]\n" + lines(1) + b'\r\n{"loss": 1}\n\xff\n')
    tail = Tail(file)
    assert read_steps(tail) == [1, 6]
    assert tail.ignored == 3


def test_a_line_without_end_is_one_bad_line(file: Path) -> None:
    """Binary data does not fill the sidecar's memory, and the lines after it are read."""
    file.write_bytes(lines(1) + b"x" * (5 << 20))
    tail = Tail(file)
    assert read_steps(tail) == [1]
    assert len(tail._incomplete) <= 1 << 20
    with file.open("ab") as output:
        output.write(b"y\n" + lines(2))
    assert read_steps(tail) == [1, 2]
    assert tail.ignored == 1


def replace_file(file: Path) -> None:
    file.rename(file.with_suffix(".1"))
    file.write_bytes(lines(7))


@pytest.mark.parametrize(
    "restart",
    [
        pytest.param(lambda file: file.write_bytes(lines(7)), id="the file was truncated and is shorter"),
        pytest.param(
            lambda file: file.write_bytes(lines(7, 8, 9, 10)), id="the file was truncated and is longer when read again"
        ),
        pytest.param(replace_file, id="the file was moved away and another file written"),
    ],
)
def test_a_file_that_starts_again_is_read_from_its_beginning(file: Path, restart: Callable[[Path], object]) -> None:
    """Progress of another attempt of the trainer is not mixed with that of the attempt before."""
    file.write_bytes(lines(1, 2, 3))
    tail = Tail(file)
    assert read_steps(tail) == [1, 2, 3]
    before = tail.report().started_at
    restart(file)
    assert read_steps(tail)[0] == 7
    after = tail.report().started_at
    assert before is not None
    assert after is not None
    assert after >= before


def test_progress_stays_when_the_file_is_deleted(file: Path) -> None:
    """A trainer that cleans up at its end does not take its progress with it."""
    file.write_bytes(lines(1))
    tail = Tail(file)
    assert read_steps(tail) == [1]
    file.unlink()
    assert read_steps(tail) == [1]


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a directory"])
def test_anything_but_a_regular_file_is_not_read(file: Path, kind: str) -> None:
    """A link may lead to the sidecar's credentials, and opening a pipe would hang the sidecar."""
    file.with_name("secret").write_bytes(lines(1))
    make: dict[str, Callable[[], object]] = {
        "a link": lambda: file.symlink_to("secret"),
        "a pipe": lambda: os.mkfifo(file),
        "a directory": file.mkdir,
    }
    make[kind]()
    assert read_steps(Tail(file)) == []


def test_two_threads_that_read_at_once_count_no_line_twice(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sidecar reads the last lines at the end of the trainer, perhaps while its thread reads them too."""
    both_have_read = threading.Barrier(2)

    class SlowFile:
        """File whose reader waits for another reader, though not for long."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> "SlowFile":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def read(self, size: int) -> bytes:
            content: bytes = self._file.read(size)
            with contextlib.suppress(threading.BrokenBarrierError):
                both_have_read.wait(0.5)
            return content

    monkeypatch.setattr(tailing, "open_regular_file", lambda path: SlowFile(path.open("rb")))
    file.write_bytes(b"not JSON\n" + lines(1, 2))
    tail = Tail(file)
    readers = [threading.Thread(target=tail.read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert tail.ignored == 1
