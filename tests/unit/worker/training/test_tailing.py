"""metrics.jsonl is read while it is written, rotated and truncated: no line is taken twice or before it is whole."""

import os
from pathlib import Path

import pytest

from modelops.worker.training.tailing import Tail


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def lines(*steps: int) -> bytes:
    return b"".join(b'{"step": %d, "loss": %d}\n' % (step, step) for step in steps)


def seen(tail: Tail) -> list[int]:
    tail.read()
    return [point.step for point in tail.report().points]


def test_a_file_that_comes_later_and_grows(file: Path) -> None:
    """A trainer may need its time before it writes the first line."""
    tail = Tail(file)
    assert seen(tail) == []
    file.write_bytes(lines(1, 2))
    assert seen(tail) == [1, 2]
    assert seen(tail) == [1, 2]
    with file.open("ab") as more:
        more.write(lines(3))
    assert seen(tail) == [1, 2, 3]


def test_half_a_line_waits_for_its_end(file: Path) -> None:
    """A line that is being written is no bad line, even where a character is cut in two."""
    tail, text = Tail(file), '{"step": 1, "é": 2}\n'.encode()
    for end in range(len(text)):
        file.write_bytes(text[:end])
        assert seen(tail) == []
    file.write_bytes(text)
    assert seen(tail) == [1]
    assert tail.ignored == 0
    assert tail.report().last.metrics == {"é": 2}


def test_bad_lines_are_counted_and_nothing_more(file: Path) -> None:
    """Between good lines may be anything; blank lines are not even bad. Each counts as a line of the file."""
    file.write_bytes(b"hello\n\n[1]\n" + lines(1) + b'\r\n{"loss": 1}\n\xff\n')
    tail = Tail(file)
    assert seen(tail) == [1, 6]
    assert tail.ignored == 3


def test_a_line_without_end_is_one_bad_line(file: Path) -> None:
    """Binary data does not fill the sidecar's memory, and what comes after it is read."""
    file.write_bytes(lines(1) + b"x" * (5 << 20))
    tail = Tail(file)
    assert seen(tail) == [1]
    assert len(tail._rest) <= 1 << 20
    with file.open("ab") as more:
        more.write(b"y\n" + lines(2))
    assert seen(tail) == [1, 2]
    assert tail.ignored == 1


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("truncated and shorter", lambda file: file.write_bytes(lines(7))),
        ("truncated, and longer by the time it is looked at", lambda file: file.write_bytes(lines(7, 8, 9, 10))),
        (
            "moved away, and another begun",
            lambda file: (file.rename(file.with_suffix(".1")), file.write_bytes(lines(7))),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_begun_anew(file: Path, name: str, again) -> None:
    """What another attempt of the trainer writes is told as its own, and not after the old one's end."""
    file.write_bytes(lines(1, 2, 3))
    tail = Tail(file)
    assert seen(tail) == [1, 2, 3]
    began = tail.report().started_at
    again(file)
    assert seen(tail)[0] == 7, name
    assert tail.report().started_at >= began


def test_a_file_that_goes_away_stays_told(file: Path) -> None:
    """A trainer that cleans up at its end does not take its progress with it."""
    file.write_bytes(lines(1))
    tail = Tail(file)
    assert seen(tail) == [1]
    file.unlink()
    assert seen(tail) == [1]


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a directory"])
def test_what_is_no_file_is_not_read(file: Path, kind: str) -> None:
    """A link may lead to the sidecar's credentials, and to open a pipe would hang it."""
    file.with_name("secret").write_bytes(lines(1))
    make = {
        "a link": lambda: file.symlink_to("secret"),
        "a pipe": lambda: os.mkfifo(file),
        "a directory": lambda: file.mkdir(),
    }
    make[kind]()
    assert seen(Tail(file)) == []
