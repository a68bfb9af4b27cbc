"""One value, one text: what a person writes in a spec finds the data, whatever format it is in."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.types import ColumnType
from modelops.worker.tabular.canonical_text import canonical_text, canonical_texts, truncate
from modelops.worker.tabular.column_values import from_csv, from_json, from_parquet


@pytest.mark.parametrize(
    ("cells", "declared", "same"),
    [
        (from_csv(pa.array(["007", "7.0", " 7 ", None, "x"])), "number", ["7", "7", "7", None, "x"]),
        (from_csv(pa.array(["007", "7.0", " 7 "])), None, ["007", "7.0", " 7 "]),
        (from_csv(pa.array(["007"])), "string", ["007"]),
        (
            from_csv(pa.array(["True", "0", " false ", "1", "yes"])),
            "boolean",
            ["true", "false", "false", "true", "yes"],
        ),
        (from_json([7, 7.0, "7.0", True, None]), None, ["7", "7", "7.0", "true", None]),
        (from_json([-0.0, 10**17, 1e17]), "number", ["0", "1E+17", "1E+17"]),
        (from_parquet(pa.array([7.0, float("nan"), 2.0**53])), "number", ["7", None, "9007199254740992"]),
        (from_parquet(pa.array([2**53 + 1, 3])), None, ["9007199254740993", "3"]),
        (from_parquet(pa.array([True, None])), "boolean", ["true", None]),
    ],
)
def test_the_same_value_has_the_same_text(cells, declared, same):
    assert canonical_texts(cells, ColumnType(declared) if declared else None).to_pylist() == same


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
    st.sampled_from([ColumnType.NUMBER, ColumnType.INTEGER]),
)
def test_a_number_in_a_spec_finds_itself_in_the_data(number, declared):
    """As written by Python, in a CSV and in JSON, and in Parquet where the number fits."""
    wanted = canonical_text(repr(number), declared)
    assert canonical_texts(from_csv(pa.array([repr(number)])), declared).to_pylist() == [wanted]
    assert canonical_texts(from_json([number]), declared).to_pylist() == [wanted]
    if isinstance(number, float) or abs(number) < 2**63:
        assert canonical_texts(from_parquet(pa.array([number])), declared).to_pylist() == [wanted]


def test_long_texts_are_told_from_short_ones():
    """A text that is cut is not the same as one that ends there."""
    short, long = truncate(pa.array(["a" * 256, "a" * 257, None, "b"])).to_pylist()[:2]
    assert short == "a" * 256
    assert long == "a" * 256 + "…"
    assert len(truncate(pa.array([], pa.string()))) == 0
    assert np.array_equal(truncate(pa.array(["b"])).to_pylist(), ["b"])
