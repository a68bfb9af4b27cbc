"""Requests and answers by column: what is read, as which columns, and what is not."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.monitor.capture.records import Body
from modelops.monitor.capture.tables import MOST_COLUMNS, MOST_ROWS, UnreadableBodyError, table

JSON = "application/json"


def read(document: Any, kind: str = JSON) -> tuple[int, dict[str, list]]:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    rows, columns = table(Body(content, kind))
    return rows, dict(columns)


def tensor(name: str, shape: list[int], data: list) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


@pytest.mark.parametrize(
    ("document", "kind", "expect"),
    [
        pytest.param(
            {"inputs": [tensor("x", [2], [1, 2]), tensor("y", [2, 1], [[3], [4]])]},
            JSON,
            (2, {"x": [1, 2], "y": [3, 4]}),
            id="tensors of one value a row are columns",
        ),
        pytest.param(
            {"inputs": [tensor("x", [2, 2], [1, 2, 3, 4])]},
            JSON,
            (2, {"x[0]": [1, 3], "x[1]": [2, 4]}),
            id="a tensor of rows has a column for each value",
        ),
        pytest.param(
            {"inputs": [tensor("x", [2, 2], [[1, 2], [3, 4]])]},
            JSON,
            (2, {"x[0]": [1, 3], "x[1]": [2, 4]}),
            id="nested data is the same as flat",
        ),
        pytest.param(
            {"model_name": "m", "outputs": [tensor("p", [2], ["yes", True])]},
            JSON,
            (2, {"p": ["yes", "true"]}),
            id="words and truths are labels",
        ),
        pytest.param(
            {"instances": [[1, 2], [3, 4]]},
            JSON,
            (2, {"instances[0]": [1, 3], "instances[1]": [2, 4]}),
            id="instances that are lists",
        ),
        pytest.param(
            {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]},
            JSON,
            (2, {"a": [1, 2], "b": ["x"]}),
            id="instances with names, of which one has no value",
        ),
        pytest.param({"predictions": [0.5, 1]}, JSON, (2, {"predictions": [0.5, 1]}), id="predictions"),
        pytest.param([[1, 2]], JSON, (1, {"[0]": [1], "[1]": [2]}), id="a list of rows"),
        pytest.param([1, 2], JSON, (2, {"value": [1, 2]}), id="a list of values"),
        pytest.param(
            {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}},
            JSON,
            (1, {"a": [1], "b": ["x"]}),
            id="MLflow's split frame",
        ),
        pytest.param({"dataframe_records": [{"a": 1}]}, JSON, (1, {"a": [1]}), id="MLflow's records"),
        pytest.param(b"1,x,\r\n2.5,y,3\n", "text/csv", (2, {"[0]": [1, 2.5], "[1]": ["x", "y"], "[2]": [3]}), id="CSV"),
        pytest.param(b'{"a": 1}\n\n{"a": 2}\n', "application/jsonlines", (2, {"a": [1, 2]}), id="JSON Lines"),
        pytest.param(
            {"instances": [{"a": {"b": [1, 2]}}]}, JSON, (1, {"a.b[0]": [1], "a.b[1]": [2]}), id="what is nested"
        ),
    ],
)
def test_what_is_read(document, kind, expect):
    """Names are those of the request, so that the message of a check names what its reader knows."""
    assert read(document, kind) == expect


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        pytest.param(b"", JSON, id="nothing"),
        pytest.param(b"\xff\xfe", JSON, id="no text"),
        pytest.param({"messages": [{"role": "user", "content": "hello"}]}, JSON, id="a chat"),
        pytest.param({"inputs": "hello"}, JSON, id="a prompt"),
        pytest.param({"inputs": [tensor("x", [3], [1, 2])]}, JSON, id="another shape than the data has"),
        pytest.param({"inputs": [tensor("x", [-1], [1])]}, JSON, id="a shape below zero"),
        pytest.param({"inputs": [{"name": "x", "shape": [2], "datatype": "FP64"}]}, JSON, id="data elsewhere"),
        pytest.param({"inputs": []}, JSON, id="no tensors"),
        pytest.param({"instances": []}, JSON, id="no rows"),
        pytest.param({"instances": {"a": 1}}, JSON, id="rows that are no list"),
        pytest.param({"instances": [10**400]}, JSON, id="a number beyond all"),
        pytest.param(b"[" * 100_000, JSON, id="depth without end"),
        pytest.param(b'"a', "text/csv", id="a quote without end"),
        pytest.param(b"7", JSON, id="a number alone"),
    ],
)
def test_what_is_not_read(document, kind):
    """It is counted as unread, and costs nothing else."""
    with pytest.raises(UnreadableBodyError):
        read(document, kind)


def test_the_binary_extension_is_not_read():
    with pytest.raises(UnreadableBodyError):
        table(Body(b'{"inputs": []}', JSON, binary=True))


def test_rows_and_columns_have_bounds():
    rows, columns = read({"instances": [[1, 2]] * (MOST_ROWS + 5)})
    assert (rows, len(columns["instances[0]"])) == (MOST_ROWS, MOST_ROWS)
    _, columns = read({"instances": [list(range(MOST_COLUMNS + 5))]})
    assert len(columns) == MOST_COLUMNS
    rows, columns = read({"inputs": [tensor("x", [1, MOST_COLUMNS + 5], [1] * (MOST_COLUMNS + 5))]})
    assert len(columns) == MOST_COLUMNS
    rows, columns = read({"inputs": [tensor("x", [MOST_ROWS + 5], [1] * (MOST_ROWS + 5))]})
    assert (rows, len(columns["x"])) == (MOST_ROWS, MOST_ROWS)


def test_a_long_name_is_cut():
    ((name, _),) = read({"instances": [{"x" * 1000: 1}]})[1].items()
    assert len(name) == 64


def test_no_number_is_lost():
    rows, columns = read(b'{"instances": [NaN, Infinity]}')
    first, second = columns["instances"]
    assert (rows, math.isnan(first), second) == (2, True, math.inf)


@given(st.binary(max_size=200), st.sampled_from([JSON, "text/csv", "application/jsonlines", ""]))
def test_whatever_comes_is_read_or_not(content, kind):
    """Anybody can send anything: nothing of it ends the monitor."""
    try:
        rows, columns = table(Body(content, kind))
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
def test_whatever_json_comes_is_read_or_not(inner, key):
    try:
        table(Body(json.dumps({key: inner}).encode(), JSON))
    except UnreadableBodyError:
        return
