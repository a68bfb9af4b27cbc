"""Duplicates are found exactly, however little memory there is."""

from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.worker.tabular import uniqueness
from modelops.worker.tabular.uniqueness import Duplicates, Uniqueness


def naive_duplicates(values: list[str]) -> Duplicates | None:
    seen: dict[str, int] = {}
    first: tuple[int, int] | None = None
    for location, value in enumerate(values):
        if value in seen and first is None:
            first = location, seen[value]
        seen.setdefault(value, location)
    return Duplicates(len(values) - len(seen), *first) if first else None


def duplicates(directory: Path, batches: list[list[str]], *, records: int) -> Duplicates | None:
    column, location = Uniqueness(directory / "values", records), 0
    for batch in batches:
        column.add(pa.array(batch, pa.string()), np.arange(location, location + len(batch), dtype=np.uint64))
        location += len(batch)
    return column.finish()


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 60).map(str), max_size=25), max_size=12),
    records=st.sampled_from([1, 7, 40, 10_000]),
    range_records=st.sampled_from([3, 16, 10_000]),
)
def test_runs_on_disk_give_the_same_duplicates_as_memory(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]], records: int, range_records: int
) -> None:
    """With runs of any length and ranges of any size, the number and both locations are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uniqueness, "RECORDS_IN_MEMORY", range_records)
        expected = naive_duplicates([value for batch in batches for value in batch])
        assert duplicates(tmp_path_factory.mktemp("u"), batches, records=records) == expected


def test_a_column_of_one_value_stays_within_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that occurs a hundred thousand times does not fill a range of hashes."""
    monkeypatch.setattr(uniqueness, "RECORDS_IN_MEMORY", 1000)
    sizes = []
    distinct = Uniqueness._distinct

    def recording(self: Uniqueness, parts: list[np.ndarray]) -> np.ndarray:
        sizes.append(sum(map(len, parts)))
        return distinct(self, parts)

    monkeypatch.setattr(Uniqueness, "_distinct", recording)
    batches = [["x"] * 500 for _ in range(200)]
    assert duplicates(tmp_path, batches, records=1000) == Duplicates(repeated=99_999, first=1, original=0)
    assert max(sizes) <= 1000
    assert (tmp_path / "values").stat().st_size == 100 * 24
