"""Which bytes of the trainer's own files are stored as records of the run."""

import os
from pathlib import Path

import pytest

from modelops.worker.model.run_records import _copy


@pytest.mark.parametrize(
    ("content", "max_bytes", "expected"),
    [
        pytest.param(b"1\n22\n", 5, b"1\n22\n", id="a file within the limit is copied in full"),
        pytest.param(b"1\n22", 5, b"1\n22", id="a last line without a line break is copied"),
        pytest.param(b"1\n22\n", 4, b"1\n", id="of a file above the limit only the beginning is copied"),
        pytest.param(b"1\n22\n333\n", 6, b"1\n22\n", id="the beginning ends with a complete line"),
        pytest.param(b"123456", 4, None, id="of a single line above the limit nothing is copied"),
        pytest.param(b"", 4, None, id="of an empty file nothing is copied"),
        pytest.param(
            b"1\n" * (1 << 20),
            (1 << 20) + 3,
            b"1\n" * ((1 << 19) + 1),
            id="a file that is read in several chunks ends with a complete line",
        ),
    ],
)
def test_a_record_is_the_beginning_of_a_file_in_whole_lines(
    tmp_path: Path, content: bytes, max_bytes: int, expected: bytes | None
) -> None:
    """A history has a bounded size, and each of its lines can be read."""
    (tmp_path / "history").write_bytes(content)
    copied = _copy(tmp_path / "history", tmp_path / "copy", max_bytes)
    assert ((tmp_path / "copy").read_bytes() if copied else None) == expected


@pytest.mark.parametrize("kind", ["no file", "a link", "a pipe"])
def test_anything_but_a_regular_file_is_not_copied(tmp_path: Path, kind: str) -> None:
    """A link could lead to the sidecar's credentials, and a pipe may never end."""
    if kind == "a link":
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "history").symlink_to("secret")
    elif kind == "a pipe":
        os.mkfifo(tmp_path / "history")
    assert not _copy(tmp_path / "history", tmp_path / "copy", max_bytes=100)
