"""A manifest is sorted, and its digest does not depend on the order of listing, in memory that does not grow."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.lineage.digests import PinnedObject, dataset_digest, manifest_line
from modelops.worker.datasets.manifests import RepeatedKeyError, finish_manifest
from modelops.worker.datasets.sorting import sort_lines

KEYS = st.lists(st.text(alphabet="a/-.é\r", min_size=1, max_size=6), max_size=20, unique=True)


def line(key: str) -> bytes:
    return manifest_line(key, "v", 1, "e")


@given(KEYS)
def test_the_order_of_listing_does_not_change_the_digest(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    """A service that lists in an order of its own gives the same digest."""
    file = tmp_path_factory.mktemp("manifest") / "manifest"
    file.write_bytes(b"".join(map(line, keys)))
    manifest = finish_manifest(file, len(keys), len(keys))
    assert manifest.digest == dataset_digest(map(line, keys))
    assert [pinned.key for pinned in manifest.entries()] == sorted(keys)
    assert list(file.parent.iterdir()) == [file], "chunks are left behind"


@given(
    lines=st.lists(st.binary(max_size=6).filter(lambda text: b"\n" not in text), max_size=40),
    chunk_bytes=st.integers(1, 64),
)
def test_sorting_in_chunks_sorts(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], chunk_bytes: int
) -> None:
    """Lines are sorted whatever bytes they have, and wherever the chunks end."""
    file = tmp_path_factory.mktemp("lines") / "lines"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    sort_lines(file, chunk_bytes=chunk_bytes)
    assert file.read_bytes() == b"".join(sorted(line + b"\n" for line in lines))
    assert list(file.parent.iterdir()) == [file]


def test_sorting_needs_less_memory_than_the_file(tmp_path: Path) -> None:
    """A listing of millions of objects that are not in order does not kill the Job for memory."""
    file = tmp_path / "lines"
    with file.open("wb") as output:
        output.writelines(b"%09d some key of an object\n" % (number * 7919 % 100_003) for number in range(100_000))
    tracemalloc.start()
    sort_lines(file, chunk_bytes=64 << 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < file.stat().st_size


def test_a_key_that_was_listed_twice_is_refused(tmp_path: Path) -> None:
    """Two states of one object are not a state of the data."""
    file = tmp_path / "manifest"
    file.write_bytes(line("b") + line("a") + manifest_line("a", "w", 1, "e"))
    with pytest.raises(RepeatedKeyError, match='"a" was listed twice'):
        finish_manifest(file, 3, 3)


def test_entries_are_the_pinned_objects(tmp_path: Path) -> None:
    file = tmp_path / "manifest"
    file.write_bytes(manifest_line("k", "v", 3, "e"))
    assert list(finish_manifest(file, 1, 3).entries()) == [PinnedObject("k", "v", 3, "e")]
