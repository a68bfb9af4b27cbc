"""What a journal says is on disk is there and whole; whatever is not sure is done again."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.worker.datasets import download_journal
from modelops.worker.datasets.download_journal import DownloadJournal, fingerprint


def run(file, lines: list[str], *, digest: str = "d") -> list[bool]:
    """Do the work that `lines` say, but for what is done already."""
    with DownloadJournal(file, digest) as written:
        done = [written.confirms(line) for line in lines]
        for line in (line for line, is_done in zip(lines, done, strict=True) if not is_done):
            written.append(line)
        return done


@given(st.lists(st.text(alphabet="ab", max_size=2), max_size=8), st.integers(0, 200))
def test_a_torn_journal(tmp_path_factory, lines, cut):
    """However the worker was ended, only whole lines count, and the next run goes on after them."""
    file = tmp_path_factory.mktemp("journal") / "journal"
    assert not any(run(file, lines))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - cut] if cut else whole)
    left = max(file.read_bytes().count(b"\n") - 1, 0)
    assert run(file, lines) == [True] * left + [False] * (len(lines) - left)
    assert file.read_bytes() == whole
    assert all(run(file, lines))


def test_what_differs_ends_it(tmp_path):
    """After a line that is not so any more nothing is believed: what followed it may not be so either."""
    run(tmp_path / "journal", ["a", "b", "c"])
    assert run(tmp_path / "journal", ["a", "x", "c"]) == [True, False, False]
    assert run(tmp_path / "journal", ["a", "x", "c"]) == [True, True, True]


@pytest.mark.parametrize("change", ["another snapshot", "another boot"])
def test_another_life(tmp_path, monkeypatch, change):
    """What another snapshot has left, or a machine that crashed before it wrote to its disk, is not believed."""
    run(tmp_path / "journal", ["a"])
    if change == "another boot":
        monkeypatch.setattr(download_journal, "_boot", lambda: "b")
    assert run(tmp_path / "journal", ["a"], digest="e" if change == "another snapshot" else "d") == [False]


@pytest.mark.parametrize("change", ["same size", "longer", "replaced", "gone"])
def test_a_finished_file_that_was_touched(tmp_path, change):
    """A file that a trainer has written to is not the one that was verified."""
    file, other = tmp_path / "data", tmp_path / "other"
    for one in (file, other):
        one.write_bytes(b"1234")
        os.utime(one, ns=(1, 1))
    before = fingerprint(file, finished=True)
    assert before == fingerprint(file, finished=True)
    if change == "replaced":
        other.replace(file)
    elif change == "gone":
        file.unlink()
    else:
        file.write_bytes(b"1235" if change == "same size" else b"12345")
    assert fingerprint(file, finished=True) != before
