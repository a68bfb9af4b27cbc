"""Request and response bodies by column: which formats are read, as which columns, and which are rejected."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.monitor.capture.records import Body
from modelops.monitor.capture.tables import MAX_COLUMNS, MAX_ROWS, UnreadableBodyError, Value, parse_body

JSON = "application/json"


def read(document: Any, content_type: str = JSON) -> tuple[int, dict[str, list[Value]]]:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    rows, columns = parse_body(Body(content, content_type))
    return rows, dict(columns)


def tensor(name: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


@pytest.mark.parametrize(
    ("document", "content_type", "expect"),
    [
        pytest.param(
            {"inputs": [tensor("x", [2], [1, 2]), tensor("y", [2, 1], [[3], [4]])]},
            JSON,
            (2, {"x": [1, 2], "y": [3, 4]}),
            id="tensors with one value per row are columns",
        ),
        pytest.param(
            {"inputs": [tensor("x", [2, 2], [1, 2, 3, 4])]},
            JSON,
            (2, {"x[0]": [1, 3], "x[1]": [2, 4]}),
            id="a tensor with several values per row has a column for each value",
        ),
        pytest.param(
            {"inputs": [tensor("x", [2, 2], [[1, 2], [3, 4]])]},
            JSON,
            (2, {"x[0]": [1, 3], "x[1]": [2, 4]}),
            id="nested tensor data is read like flat data",
        ),
        pytest.param(
            {"model_name": "m", "outputs": [tensor("p", [2], ["yes", True])]},
            JSON,
            (2, {"p": ["yes", "true"]}),
            id="text and booleans of a tensor are labels",
        ),
        pytest.param(
            {"instances": [[1, 2], [3, 4]]},
            JSON,
            (2, {"instances[0]": [1, 3], "instances[1]": [2, 4]}),
            id="instances that are lists have a column for each position",
        ),
        pytest.param(
            {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]},
            JSON,
            (2, {"a": [1, 2], "b": ["x"]}),
            id="instances that are objects have a column for each name, and null adds no value",
        ),
        pytest.param(
            {"predictions": [0.5, 1]},
            JSON,
            (2, {"predictions": [0.5, 1]}),
            id="predictions that are numbers are one column",
        ),
        pytest.param(
            [[1, 2]], JSON, (1, {"[0]": [1], "[1]": [2]}), id="a list of lists has a column for each position"
        ),
        pytest.param([1, 2], JSON, (2, {"value": [1, 2]}), id="a list of numbers is one column"),
        pytest.param(
            {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}},
            JSON,
            (1, {"a": [1], "b": ["x"]}),
            id="MLflow's dataframe_split is read",
        ),
        pytest.param(
            {"dataframe_records": [{"a": 1}]}, JSON, (1, {"a": [1]}), id="MLflow's dataframe_records are read"
        ),
        pytest.param(
            b"1,x,\r\n2.5,y,3\n",
            "text/csv",
            (2, {"[0]": [1, 2.5], "[1]": ["x", "y"], "[2]": [3]}),
            id="CSV is read, and an empty cell adds no value",
        ),
        pytest.param(b'{"a": 1}\n\n{"a": 2}\n', "application/jsonlines", (2, {"a": [1, 2]}), id="JSON Lines are read"),
        pytest.param(
            {"instances": [{"a": {"b": [1, 2]}}]},
            JSON,
            (1, {"a.b[0]": [1], "a.b[1]": [2]}),
            id="nested objects and lists have a column for each path",
        ),
    ],
)
def test_bodies_are_read_by_column(
    document: Any, content_type: str, expect: tuple[int, dict[str, list[Value]]]
) -> None:
    """Columns have the names of the request, so that the message of a check names what its reader knows."""
    assert read(document, content_type) == expect


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        pytest.param(b"", JSON, id="an empty body is rejected"),
        pytest.param(b"\xff\xfe", JSON, id="bytes that are not UTF-8 are rejected"),
        pytest.param({"messages": [{"role": "user", "content": "hello"}]}, JSON, id="a chat is rejected"),
        pytest.param({"inputs": "hello"}, JSON, id="a prompt is rejected"),
        pytest.param(
            {"inputs": [tensor("x", [3], [1, 2])]}, JSON, id="tensor data that does not match its shape is rejected"
        ),
        pytest.param({"inputs": [tensor("x", [-1], [1])]}, JSON, id="a negative shape is rejected"),
        pytest.param(
            {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64"}]}, JSON, id="a tensor without data is rejected"
        ),
        pytest.param({"inputs": []}, JSON, id="a request without tensors is rejected"),
        pytest.param({"instances": []}, JSON, id="a request without rows is rejected"),
        pytest.param({"instances": {"a": 1}}, JSON, id="instances that are not a list are rejected"),
        pytest.param({"instances": [10**400]}, JSON, id="a number too large for a float is rejected"),
        pytest.param(b"[" * 100_000, JSON, id="excessive nesting is rejected"),
        pytest.param(b'"a', "text/csv", id="an unterminated quote in CSV is rejected"),
        pytest.param(b"7", JSON, id="a single number is rejected"),
    ],
)
def test_other_bodies_are_rejected(document: Any, content_type: str) -> None:
    """They are counted as unread, and affect nothing else."""
    with pytest.raises(UnreadableBodyError):
        read(document, content_type)


def test_a_body_in_the_binary_extension_is_rejected() -> None:
    with pytest.raises(UnreadableBodyError):
        parse_body(Body(b'{"inputs": []}', JSON, binary=True))


def test_rows_and_columns_beyond_the_bounds_are_not_read() -> None:
    rows, columns = read({"instances": [[1, 2]] * (MAX_ROWS + 5)})
    assert (rows, len(columns["instances[0]"])) == (MAX_ROWS, MAX_ROWS)
    _, columns = read({"instances": [list(range(MAX_COLUMNS + 5))]})
    assert len(columns) == MAX_COLUMNS
    rows, columns = read({"inputs": [tensor("x", [1, MAX_COLUMNS + 5], [1] * (MAX_COLUMNS + 5))]})
    assert len(columns) == MAX_COLUMNS
    rows, columns = read({"inputs": [tensor("x", [MAX_ROWS + 5], [1] * (MAX_ROWS + 5))]})
    assert (rows, len(columns["x"])) == (MAX_ROWS, MAX_ROWS)


def test_a_long_column_name_is_truncated() -> None:
    ((name, _),) = read({"instances": [{"x" * 1000: 1}]})[1].items()
    assert len(name) == 64


def test_nan_and_infinity_are_read() -> None:
    rows, columns = read(b'{"instances": [NaN, Infinity]}')
    first, second = columns["instances"]
    assert rows == 2
    assert isinstance(first, float)
    assert math.isnan(first)
    assert second == math.inf


@given(st.binary(max_size=200), st.sampled_from([JSON, "text/csv", "application/jsonlines", ""]))
def test_any_bytes_are_read_or_rejected(content: bytes, content_type: str) -> None:
    """Clients can send anything: no body may terminate the monitor."""
    try:
        rows, columns = parse_body(Body(content, content_type))
    except UnreadableBodyError:
        return
    assert all(len(values) <= rows for values in columns.values())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(["inputs", "outputs", "instances", "predictions", "dataframe_split"]),
)
def test_any_json_is_read_or_rejected(inner: Any, key: str) -> None:
    try:
        parse_body(Body(json.dumps({key: inner}).encode(), JSON))
    except UnreadableBodyError:
        return
