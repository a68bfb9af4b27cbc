"""One value has one text: a value in a spec matches the data, whatever the format of the data."""

from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.types import ColumnType
from modelops.worker.tabular.canonical_text import canonical_text, canonical_texts, truncate
from modelops.worker.tabular.column_values import ColumnValues, from_csv, from_json, from_parquet


def csv(*values: str | None) -> ColumnValues:
    return from_csv(pa.array(values, pa.string()))


def json(*values: Any) -> ColumnValues:
    return from_json(list(values))


def parquet(*values: Any) -> ColumnValues:
    return from_parquet(pa.array(values))


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        pytest.param(
            csv("007", "7.0", " 7 ", None, "x"),
            ColumnType.NUMBER,
            ["7", "7", "7", None, "x"],
            id="numbers of a declared CSV column have one text however they are written",
        ),
        pytest.param(
            csv("007", "7.0", " 7 "),
            None,
            ["007", "7.0", " 7 "],
            id="values of an undeclared CSV column keep their text",
        ),
        pytest.param(
            csv("007"),
            ColumnType.STRING,
            ["007"],
            id="values of a CSV column that is declared a string keep their text",
        ),
        pytest.param(
            csv("True", "0", " false ", "1", "yes"),
            ColumnType.BOOLEAN,
            ["true", "false", "false", "true", "yes"],
            id="a boolean CSV column accepts true, false, 1 and 0 in any case",
        ),
        pytest.param(
            json(7, 7.0, "7.0", True, None),
            None,
            ["7", "7", "7.0", "true", None],
            id="JSON distinguishes numbers from text without a declaration",
        ),
        pytest.param(
            json(-0.0, 10**17, 1e17),
            ColumnType.NUMBER,
            ["0", "1E+17", "1E+17"],
            id="minus zero is zero, and large integers and floats of one value have one text",
        ),
        pytest.param(
            parquet(7.0, float("nan"), 2.0**53),
            ColumnType.NUMBER,
            ["7", None, "9007199254740992"],
            id="NaN of Parquet is missing",
        ),
        pytest.param(parquet(2**53 + 1, 3), None, ["9007199254740993", "3"], id="integers of Parquet keep every digit"),
        pytest.param(
            parquet(True, None), ColumnType.BOOLEAN, ["true", None], id="booleans of Parquet are true and false"
        ),
    ],
)
def test_the_same_value_has_the_same_text(
    values: ColumnValues, declared: ColumnType | None, expected: list[str | None]
) -> None:
    assert canonical_texts(values, declared).to_pylist() == expected


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
    st.sampled_from([ColumnType.NUMBER, ColumnType.INTEGER]),
)
def test_a_number_in_a_spec_matches_itself_in_the_data(number: float, declared: ColumnType) -> None:
    """As Python writes the number, in a CSV and in JSON, and in Parquet if the number fits."""
    expected = [canonical_text(repr(number), declared)]
    assert canonical_texts(csv(repr(number)), declared).to_pylist() == expected
    assert canonical_texts(json(number), declared).to_pylist() == expected
    if isinstance(number, float) or abs(number) < 2**63:
        assert canonical_texts(parquet(number), declared).to_pylist() == expected


def test_a_truncated_text_differs_from_a_text_of_that_length() -> None:
    short, long = truncate(pa.array(["a" * 256, "a" * 257, None, "b"])).to_pylist()[:2]
    assert short == "a" * 256
    assert long == "a" * 256 + "…"
    assert len(truncate(pa.array([], pa.string()))) == 0
    assert np.array_equal(truncate(pa.array(["b"])).to_pylist(), ["b"])
