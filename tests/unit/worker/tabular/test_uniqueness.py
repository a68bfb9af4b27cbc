"""Duplicates are found exactly, however little memory there is for it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops.worker.tabular import uniqueness
from modelops.worker.tabular.uniqueness import Duplicates, Uniqueness


def expected(values: list[str]) -> Duplicates | None:
    seen: dict[str, int] = {}
    first = None
    for position, value in enumerate(values):
        if value in seen and first is None:
            first = position, seen[value]
        seen.setdefault(value, position)
    return Duplicates(len(values) - len(seen), *first) if first else None


def found(path, batches: list[list[str]], records: int) -> Duplicates | None:
    column, at = Uniqueness(path / "values", records), 0
    for batch in batches:
        column.add(pa.array(batch, pa.string()), np.arange(at, at + len(batch), dtype=np.uint64))
        at += len(batch)
    return column.finish()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 60).map(str), max_size=25), max_size=12),
    st.sampled_from([1, 7, 40, 10_000]),
    st.sampled_from([3, 16, 10_000]),
)
def test_spilling_changes_nothing(tmp_path_factory, batches, records, range_records):
    """In runs of any length, merged in ranges of any size, the count and both places are those of one look at all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uniqueness, "RECORDS_IN_MEMORY", range_records)
        assert found(tmp_path_factory.mktemp("u"), batches, records) == expected([v for b in batches for v in b])


def test_one_value_all_over(tmp_path, monkeypatch):
    """A column that holds one value a hundred thousand times does not fill one range of hashes."""
    monkeypatch.setattr(uniqueness, "RECORDS_IN_MEMORY", 1000)
    sizes = []
    distinct = Uniqueness._distinct
    monkeypatch.setattr(
        Uniqueness, "_distinct", lambda self, parts: sizes.append(sum(map(len, parts))) or distinct(self, parts)
    )
    batches = [["x"] * 500 for _ in range(200)]
    assert found(tmp_path, batches, 1000) == Duplicates(99_999, 1, 0)
    assert max(sizes) <= 1000
    assert (tmp_path / "values").stat().st_size == 100 * 24
