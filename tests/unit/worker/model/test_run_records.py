"""What is copied of the trainer's own files before it is stored."""

import os
from pathlib import Path

import pytest

from modelops.worker.model.run_records import _copied


@pytest.mark.parametrize(
    ("name", "content", "most", "expected"),
    [
        ("all of it", b"1\n22\n", 5, b"1\n22\n"),
        ("also without a last line break", b"1\n22", 5, b"1\n22"),
        ("the beginning of what is larger", b"1\n22\n", 4, b"1\n"),
        ("whole lines of it", b"1\n22\n333\n", 6, b"1\n22\n"),
        ("nothing of one line that is too long", b"123456", 4, None),
        ("nothing of an empty file", b"", 4, None),
        ("across the chunks it is read in", b"1\n" * (1 << 20), (1 << 20) + 3, b"1\n" * ((1 << 19) + 1)),
    ],
)
def test_copied(tmp_path: Path, name: str, content: bytes, most: int, expected: bytes | None) -> None:
    """A history of bounded size, every line of which can be read."""
    (tmp_path / "history").write_bytes(content)
    copied = _copied(tmp_path / "history", tmp_path / "copy", most)
    assert ((tmp_path / "copy").read_bytes() if copied else None) == expected, name


@pytest.mark.parametrize("kind", ["nothing", "a link", "a pipe"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """A link could lead to the credentials of the sidecar, and a pipe has no end."""
    if kind == "a link":
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "history").symlink_to("secret")
    elif kind == "a pipe":
        os.mkfifo(tmp_path / "history")
    assert not _copied(tmp_path / "history", tmp_path / "copy", 100)
