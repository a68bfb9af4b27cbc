"""A request's tensors become the table that the model takes, or a sentence that says why not."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kserve import InferInput
from kserve.errors import InvalidInput

from modelops.server.predictor import Signature
from modelops.server.table import table_of

NAMED = Signature(inputs=(), outputs=(), columns=("income", "single"), width=2)
UNNAMED = Signature(inputs=(), outputs=(), width=2)
ANY = Signature(inputs=(), outputs=())


def column(name: str, data: list[Any], datatype: str = "FP64", shape: list[int] | None = None) -> InferInput:
    return InferInput(name, [len(data)] if shape is None else shape, datatype, data)


def test_columns_come_in_the_models_order_whatever_the_requests():
    table = table_of([column("single", ["yes", "no"], "BYTES"), column("income", [1, 2])], NAMED)
    assert list(table.columns) == ["income", "single"]
    assert table["income"].tolist() == [1.0, 2.0]
    assert table["single"].tolist() == ["yes", "no"]


def test_columns_that_the_model_does_not_take_are_let_by():
    table = table_of([column("income", [1]), column("single", ["no"], "BYTES"), column("id", ["7"], "BYTES")], NAMED)
    assert list(table.columns) == ["income", "single"]


def test_a_column_may_have_a_second_dimension_of_one():
    table = table_of([column("income", [1, 2], shape=[2, 1]), column("single", ["a", "b"], "BYTES")], NAMED)
    assert len(table) == 2


def test_missing_values():
    """Null is NaN for a number and None for a text, as a data frame from a file has them."""
    table = table_of([column("income", [None, 2], "INT64"), column("single", [None, "no"], "BYTES")], NAMED)
    assert np.isnan(table["income"][0])
    assert table["single"][0] is None


def test_one_tensor_of_rows_for_named_columns():
    table = table_of([column("rows", [[1, 2], [3, 4]], shape=[2, 2])], NAMED)
    assert list(table.columns) == ["income", "single"]
    assert table["single"].tolist() == [2.0, 4.0]


def test_a_model_without_names_takes_columns_in_the_requests_order():
    assert table_of([column("b", [1, 2]), column("a", [3, 4])], UNNAMED).tolist() == [[1, 3], [2, 4]]


def test_a_tensor_of_any_rank_where_nothing_is_known():
    assert table_of([column("images", [0.0] * 24, shape=[2, 3, 4])], ANY).shape == (2, 3, 4)


def test_bytes_of_a_binary_request():
    number, text = InferInput("income", [2], "FP64"), InferInput("single", [2], "BYTES")
    number._raw_data = np.array([1.5, 2.5]).tobytes()
    text._raw_data = b"".join(struct.pack("<I", len(one)) + one for one in (b"yes", "nö".encode()))
    table = table_of([number, text], NAMED)
    assert table["income"].tolist() == [1.5, 2.5]
    assert table["single"].tolist() == ["yes", "nö"]


@dataclass(frozen=True)
class Case:
    name: str
    inputs: list[InferInput]
    told: str
    signature: Signature = NAMED


def raw(name: str, shape: list[int], datatype: str, content: bytes) -> InferInput:
    tensor = InferInput(name, shape, datatype)
    tensor._raw_data = content
    return tensor


GOOD = column("single", ["no"], "BYTES")
CASES = [
    Case("nothing", [], "the request has no inputs"),
    Case("one column missing", [column("income", [1])], 'the request lacks the column "single"'),
    Case("all missing", [column("x", [1])], 'the request lacks the columns "income", "single"'),
    Case("twice", [GOOD, GOOD], 'input "single" is there twice'),
    Case("text for a number", [column("income", ["1"]), GOOD], "input \"income\" is of FP64 and holds '1'"),
    Case("true for a number", [column("income", [True]), GOOD], "input \"income\" is of FP64 and holds 'True'"),
    Case("a fraction for an integer", [column("income", [1.5], "INT64")], 'input "income" is of INT64 and holds 1.5'),
    Case("too big", [column("income", [300], "INT8")], 'input "income" holds a value that INT8 cannot'),
    Case(
        "a number for text",
        [column("single", [1], "BYTES")],
        'input "single" is of BYTES and holds 1, which is no text',
    ),
    Case("no such datatype", [column("income", [1], "FLOAT")], 'input "income" has the unknown datatype FLOAT'),
    Case("wrong size", [column("income", [1], shape=[2])], 'input "income" has 1 values, its shape [2] needs 2'),
    Case(
        "open size", [column("income", [1], shape=[-1])], 'input "income" has the shape [-1], which must name its sizes'
    ),
    Case(
        "uneven",
        [column("income", [1, 2]), GOOD],
        'column "income" has 2 values and column "single" 1',
    ),
    Case(
        "a matrix among columns",
        [column("income", [1, 2], shape=[1, 2]), GOOD],
        'input "income" has the shape [1, 2]; as one of several columns it needs [rows]',
    ),
    Case(
        "rows too wide",
        [column("rows", [1, 2, 3], shape=[1, 3])],
        'input "rows" has the shape [1, 3], the model takes 2 columns: income, single',
    ),
    Case(
        "columns too many", [column(one, [1]) for one in "abc"], "the request has 3 columns, the model takes 2", UNNAMED
    ),
    Case("bytes too few", [raw("income", [2], "FP64", b"123")], 'input "income" has bytes that are no [2] of FP64'),
    Case(
        "a text's length that points outside",
        [raw("single", [1], "BYTES", struct.pack("<I", 99) + b"x")],
        'input "single" has bytes that are no [1] of BYTES',
    ),
    Case(
        "bytes that are no text",
        [raw("single", [1], "BYTES", struct.pack("<I", 1) + b"\xff")],
        'input "single" holds bytes that are no text',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_bad_request_is_told(case):
    with pytest.raises(InvalidInput) as told:
        table_of(case.inputs, case.signature)
    assert str(told.value) == case.told
