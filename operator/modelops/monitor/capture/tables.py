"""What requests and answers of models hold, by column. Pure.

Read are JSON and CSV: the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol) without its
binary extension; `instances` and `predictions`, as of TensorFlow Serving and KServe's first protocol; lists of rows and
MLflow's `dataframe_split` and `dataframe_records`, JSON Lines and CSV, as SageMaker's containers take and give them.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from modelops.monitor.capture.records import Body

Value = float | str
Table = Mapping[str, list[Value]]
"""The values of each column. What has none in a row is left out of it."""

MOST_ROWS = 1_000
"""How many rows of a request are counted."""
MOST_COLUMNS = 100
"""How many columns of a request are counted: the first ones."""
_MOST_NAME = 64
_TENSORS = ("inputs", "outputs")
_ROWS = ("instances", "predictions", "dataframe_records")
_CSV = ("text/csv", "application/csv")
_LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl")


class UnreadableBodyError(ValueError):
    """A body that holds nothing that can be told by column."""


def table(body: Body) -> tuple[int, Table]:
    """How many rows there are, and their values. Raises Unread."""
    if body.binary:
        raise UnreadableBodyError("the binary extension")
    try:
        text = body.content.decode("utf-8")
        if body.content_type in _CSV:
            rows = csv.reader(io.StringIO(text), strict=True)
            return _of_rows("", ([_number(cell) for cell in row] for row in rows if row))
        if body.content_type in _LINES:
            return _of_rows("", (json.loads(line) for line in text.splitlines() if line.strip()))
        return _of_document(json.loads(text))
    except (AttributeError, csv.Error, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableBodyError(type(error).__name__) from error


def _of_document(document: Any) -> tuple[int, Table]:
    if isinstance(document, list):
        return _of_rows("", document)
    for key in _TENSORS:
        if key in document:
            return _of_tensors(document[key])
    for key in _ROWS:
        if key in document:
            return _of_rows(key, _list(document[key]))
    frame = document["dataframe_split"]
    return _of_rows("", (dict(zip(frame["columns"], row, strict=True)) for row in _list(frame["data"])))


def _of_tensors(tensors: Any) -> tuple[int, Table]:
    """A tensor of one dimension, or of rows of one value, is a column. One of more has as many as a row has values."""
    found: dict[str, list[Value]] = {}
    count = 0
    for tensor in _list(tensors):
        name, shape, data = str(tensor["name"]), [int(size) for size in tensor["shape"]], tensor["data"]
        rows = shape[0] if shape else 1
        values = list(_flat(data))
        width = len(values) // rows if rows > 0 else 0
        if rows < 1 or width * rows != len(values) or width < 1:
            raise UnreadableBodyError("data of another shape")
        count = max(count, min(rows, MOST_ROWS))
        for index in range(min(width, MOST_COLUMNS - len(found))):
            column = name if width == 1 else f"{name}[{index}]"
            of_rows = values[index : MOST_ROWS * width : width]
            found[column[:_MOST_NAME]] = [value for value in map(_value, of_rows) if value is not None]
    if not found:
        raise UnreadableBodyError("no tensors")
    return count, found


def _of_rows(prefix: str, rows: Iterable[Any]) -> tuple[int, Table]:
    found: dict[str, list[Value]] = {}
    count = 0
    for row in islice(rows, MOST_ROWS):
        count += 1
        named = prefix if not isinstance(row, dict) else ""
        for column, scalar in islice(_cells(named, row), MOST_COLUMNS):
            value = _value(scalar)
            if value is not None and (column in found or len(found) < MOST_COLUMNS):
                found.setdefault(column[:_MOST_NAME], []).append(value)
    if not found:
        raise UnreadableBodyError("no rows")
    return count, found


def _cells(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _cells(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _cells(f"{name}[{index}]", inner)
    else:
        yield name or "value", value


def _flat(data: Any) -> Iterator[Any]:
    if not isinstance(data, list):
        yield data
        return
    for one in data:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def _value(scalar: Any) -> Value | None:
    """A number, or a word. An absent value is none."""
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    if isinstance(scalar, int | float):
        return float(scalar)
    if isinstance(scalar, str):
        return scalar
    if scalar is None:
        return None
    raise UnreadableBodyError(f"a {type(scalar).__name__} as a value")


def _number(cell: str) -> Any:
    text = cell.strip()
    try:
        return float(text)
    except ValueError:
        return text or None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadableBodyError("no list")
    return value
