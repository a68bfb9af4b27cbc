"""A manifest is in order and has its digest however its lines came, in memory that does not grow with it."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import PinnedObject, dataset_digest, manifest_line
from modelops.worker.datasets.manifests import RepeatedKeyError, finish
from modelops.worker.datasets.sorting import sort_lines

KEYS = st.lists(st.text(alphabet="a/-.é\r", min_size=1, max_size=6), max_size=20, unique=True)


def line(key: str) -> bytes:
    return manifest_line(key, "v", 1, "e")


@given(KEYS)
def test_order_does_not_matter(tmp_path_factory, keys):
    """A service that lists in an order of its own gives the same digest."""
    file = tmp_path_factory.mktemp("manifest") / "manifest"
    file.write_bytes(b"".join(map(line, keys)))
    manifest = finish(file, len(keys), len(keys))
    assert manifest.digest == dataset_digest(map(line, keys))
    assert [one.key for one in manifest.entries()] == sorted(keys)
    assert list(file.parent.iterdir()) == [file], "chunks are left behind"


@given(st.lists(st.binary(max_size=6).filter(lambda text: b"\n" not in text), max_size=40), st.integers(1, 64))
def test_sorting_in_chunks(tmp_path_factory, lines, chunk_bytes):
    """Sorting by chunks is sorting, whatever bytes the lines are of and wherever the chunks end."""
    file = tmp_path_factory.mktemp("lines") / "lines"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    sort_lines(file, chunk_bytes=chunk_bytes)
    assert file.read_bytes() == b"".join(sorted(line + b"\n" for line in lines))
    assert list(file.parent.iterdir()) == [file]


def test_sorting_takes_no_memory(tmp_path):
    """A listing of millions of objects out of order does not end the Job for memory."""
    file = tmp_path / "lines"
    with file.open("wb") as output:
        output.writelines(b"%09d some key of an object\n" % (number * 7919 % 100_003) for number in range(100_000))
    tracemalloc.start()
    sort_lines(file, chunk_bytes=64 << 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < file.stat().st_size


def test_a_key_that_comes_twice(tmp_path):
    """Two states of one object are no state of the data."""
    file = tmp_path / "manifest"
    file.write_bytes(line("b") + line("a") + manifest_line("a", "w", 1, "e"))
    with pytest.raises(RepeatedKeyError, match='"a" was listed twice'):
        finish(file, 3, 3)


def test_entries_are_what_was_pinned(tmp_path):
    """What is read back is what was written."""
    file = tmp_path / "manifest"
    file.write_bytes(manifest_line("k", "v", 3, "e"))
    assert list(finish(file, 1, 3).entries()) == [PinnedObject("k", "v", 3, "e")]
