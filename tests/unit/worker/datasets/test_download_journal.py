"""A range that the journal confirms is on disk and whole; every other range is downloaded again."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.worker.datasets import download_journal
from modelops.worker.datasets.download_journal import DownloadJournal, fingerprint


def run(file: Path, lines: list[str], *, digest: str = "d") -> list[bool]:
    """Do the work of `lines` that the journal does not confirm. Return what the journal confirmed."""
    with DownloadJournal(file, digest) as journal:
        confirmed = [journal.confirms(line) for line in lines]
        for line, is_confirmed in zip(lines, confirmed, strict=True):
            if not is_confirmed:
                journal.append(line)
        return confirmed


@given(lines=st.lists(st.text(alphabet="ab", max_size=2), max_size=8), cut=st.integers(0, 200))
def test_a_truncated_journal_resumes_after_its_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cut: int
) -> None:
    """However the worker was killed, only whole lines count, and the next run resumes after them."""
    file = tmp_path_factory.mktemp("journal") / "journal"
    assert not any(run(file, lines))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - cut] if cut else whole)
    left = max(file.read_bytes().count(b"\n") - 1, 0)
    assert run(file, lines) == [True] * left + [False] * (len(lines) - left)
    assert file.read_bytes() == whole
    assert all(run(file, lines))


def test_nothing_after_a_line_that_differs_is_confirmed(tmp_path: Path) -> None:
    """A later line may be as outdated as the line that differs."""
    run(tmp_path / "journal", ["a", "b", "c"])
    assert run(tmp_path / "journal", ["a", "x", "c"]) == [True, False, False]
    assert run(tmp_path / "journal", ["a", "x", "c"]) == [True, True, True]


def test_the_journal_of_another_snapshot_is_discarded(tmp_path: Path) -> None:
    """Files of another snapshot are not the pinned data."""
    run(tmp_path / "journal", ["a"], digest="d")
    assert run(tmp_path / "journal", ["a"], digest="e") == [False]


def test_the_journal_of_an_earlier_boot_is_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that crashed may not have written the data to its disk."""
    run(tmp_path / "journal", ["a"])
    monkeypatch.setattr(download_journal, "_boot", lambda: "b")
    assert run(tmp_path / "journal", ["a"]) == [False]


@pytest.mark.parametrize(
    "change", ["overwritten with the same size", "overwritten with more bytes", "replaced", "deleted"]
)
def test_a_change_of_a_finished_file_changes_its_fingerprint(tmp_path: Path, change: str) -> None:
    """A file that a trainer has written to is not the verified file."""
    file, other = tmp_path / "data", tmp_path / "other"
    for path in (file, other):
        path.write_bytes(b"1234")
        os.utime(path, ns=(1, 1))
    before = fingerprint(file, finished=True)
    assert before == fingerprint(file, finished=True)
    if change == "replaced":
        other.replace(file)
    elif change == "deleted":
        file.unlink()
    else:
        file.write_bytes(b"1235" if change == "overwritten with the same size" else b"12345")
    assert fingerprint(file, finished=True) != before
