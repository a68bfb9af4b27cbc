"""A request's tensors are converted to the table that the model takes, or rejected with one sentence."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kserve import InferInput  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]

from modelops.server.predictor import Signature
from modelops.server.table import to_table

NAMED = Signature(inputs=(), outputs=(), columns=("income", "single"), width=2)
UNNAMED = Signature(inputs=(), outputs=(), width=2)
ANY = Signature(inputs=(), outputs=())


def column(name: str, data: list[Any], datatype: str = "FP64", shape: list[int] | None = None) -> InferInput:
    return InferInput(name, [len(data)] if shape is None else shape, datatype, data)


def test_columns_are_put_in_the_models_order() -> None:
    table = to_table([column("single", ["yes", "no"], "BYTES"), column("income", [1, 2])], NAMED)
    assert list(table.columns) == ["income", "single"]
    assert table["income"].tolist() == [1.0, 2.0]
    assert table["single"].tolist() == ["yes", "no"]


def test_columns_that_the_model_does_not_take_are_ignored() -> None:
    table = to_table([column("income", [1]), column("single", ["no"], "BYTES"), column("id", ["7"], "BYTES")], NAMED)
    assert list(table.columns) == ["income", "single"]


def test_a_column_may_have_a_second_dimension_of_one() -> None:
    table = to_table([column("income", [1, 2], shape=[2, 1]), column("single", ["a", "b"], "BYTES")], NAMED)
    assert len(table) == 2


def test_null_is_nan_in_numbers_and_none_in_text() -> None:
    """As in a data frame read from a file."""
    table = to_table([column("income", [None, 2], "INT64"), column("single", [None, "no"], "BYTES")], NAMED)
    assert np.isnan(table["income"][0])
    assert table["single"][0] is None


def test_one_tensor_of_rows_gives_named_columns() -> None:
    table = to_table([column("rows", [[1, 2], [3, 4]], shape=[2, 2])], NAMED)
    assert list(table.columns) == ["income", "single"]
    assert table["single"].tolist() == [2.0, 4.0]


def test_a_model_without_column_names_takes_columns_in_the_requests_order() -> None:
    assert to_table([column("b", [1, 2]), column("a", [3, 4])], UNNAMED).tolist() == [[1, 3], [2, 4]]


def test_a_model_of_unknown_width_takes_a_tensor_of_any_rank() -> None:
    assert to_table([column("images", [0.0] * 24, shape=[2, 3, 4])], ANY).shape == (2, 3, 4)


def test_binary_tensors_are_converted() -> None:
    number, text = InferInput("income", [2], "FP64"), InferInput("single", [2], "BYTES")
    number._raw_data = np.array([1.5, 2.5]).tobytes()
    text._raw_data = b"".join(struct.pack("<I", len(text_)) + text_ for text_ in (b"yes", "nö".encode()))
    table = to_table([number, text], NAMED)
    assert table["income"].tolist() == [1.5, 2.5]
    assert table["single"].tolist() == ["yes", "nö"]


@dataclass(frozen=True)
class InvalidRequest:
    name: str
    inputs: list[InferInput]
    error: str
    signature: Signature = NAMED


def raw(name: str, shape: list[int], datatype: str, content: bytes) -> InferInput:
    tensor = InferInput(name, shape, datatype)
    tensor._raw_data = content
    return tensor


GOOD = column("single", ["no"], "BYTES")
INVALID_REQUESTS = [
    InvalidRequest("a request without inputs", [], "the request has no inputs"),
    InvalidRequest("a missing column", [column("income", [1])], 'the request lacks the column "single"'),
    InvalidRequest("several missing columns", [column("x", [1])], 'the request lacks the columns "income", "single"'),
    InvalidRequest("an input given twice", [GOOD, GOOD], 'input "single" is given twice'),
    InvalidRequest(
        "text as a number", [column("income", ["1"]), GOOD], "input \"income\" has datatype FP64, but holds '1'"
    ),
    InvalidRequest(
        "a boolean as a number",
        [column("income", [True]), GOOD],
        "input \"income\" has datatype FP64, but holds 'True'",
    ),
    InvalidRequest(
        "a fraction as an integer",
        [column("income", [1.5], "INT64")],
        'input "income" has datatype INT64, but holds 1.5',
    ),
    InvalidRequest(
        "a number out of range",
        [column("income", [300], "INT8")],
        'input "income" holds a value that INT8 cannot represent',
    ),
    InvalidRequest(
        "a number as text",
        [column("single", [1], "BYTES")],
        'input "single" has datatype BYTES, but holds 1, which is not text',
    ),
    InvalidRequest(
        "an unknown datatype", [column("income", [1], "FLOAT")], 'input "income" has the unknown datatype FLOAT'
    ),
    InvalidRequest(
        "fewer values than the shape",
        [column("income", [1], shape=[2])],
        'input "income" has 1 values, but shape [2] needs 2',
    ),
    InvalidRequest(
        "a shape with an open size",
        [column("income", [1], shape=[-1])],
        'input "income" has shape [-1]: all sizes must be given',
    ),
    InvalidRequest(
        "columns of different length",
        [column("income", [1, 2]), GOOD],
        'column "income" has 2 values, but column "single" has 1',
    ),
    InvalidRequest(
        "a matrix among columns",
        [column("income", [1, 2], shape=[1, 2]), GOOD],
        'input "income" has shape [1, 2]: a column among several must have shape [rows]',
    ),
    InvalidRequest(
        "rows with too many values",
        [column("rows", [1, 2, 3], shape=[1, 3])],
        'input "rows" has shape [1, 3], but the model takes 2 columns: income, single',
    ),
    InvalidRequest(
        "too many columns for a model without column names",
        [column(name, [1]) for name in "abc"],
        "the request has 3 columns, but the model takes 2",
        UNNAMED,
    ),
    InvalidRequest(
        "too few bytes",
        [raw("income", [2], "FP64", b"123")],
        'input "income" has bytes that do not match shape [2] of FP64',
    ),
    InvalidRequest(
        "a text length beyond the bytes",
        [raw("single", [1], "BYTES", struct.pack("<I", 99) + b"x")],
        'input "single" has bytes that do not match shape [1] of BYTES',
    ),
    InvalidRequest(
        "bytes that are not UTF-8",
        [raw("single", [1], "BYTES", struct.pack("<I", 1) + b"\xff")],
        'input "single" holds bytes that are not UTF-8',
    ),
]


@pytest.mark.parametrize("invalid", INVALID_REQUESTS, ids=lambda invalid: invalid.name)
def test_an_invalid_request_is_rejected_with_one_sentence(invalid: InvalidRequest) -> None:
    with pytest.raises(InvalidInput) as raised:
        to_table(invalid.inputs, invalid.signature)
    assert str(raised.value) == invalid.error
