"""Parse request and response bodies of model servers into values by column. Pure.

Supported are JSON and CSV: the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol) without
its binary extension; `instances` and `predictions`, as in TensorFlow Serving and KServe's v1 protocol; lists of rows,
and MLflow's `dataframe_split` and `dataframe_records`; JSON Lines and CSV, as SageMaker's containers accept and return
them.
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
"""Values by column. A row without a value for a column adds none to that column."""

MAX_ROWS = 1_000
"""Rows counted of one request."""
MAX_COLUMNS = 100
"""Columns counted of one request: the first ones."""
_MAX_NAME_LENGTH = 64
_TENSORS = ("inputs", "outputs")
_ROWS = ("instances", "predictions", "dataframe_records")
_CSV = ("text/csv", "application/csv")
_LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl")


class UnreadableBodyError(ValueError):
    """Body without values that can be counted by column."""


def parse_body(body: Body) -> tuple[int, Table]:
    """Return the number of rows and the values by column. Raises UnreadableBodyError."""
    if body.binary:
        raise UnreadableBodyError("binary extension")
    try:
        text = body.content.decode("utf-8")
        if body.content_type in _CSV:
            rows = csv.reader(io.StringIO(text), strict=True)
            return _parse_rows("", ([_parse_cell(cell) for cell in row] for row in rows if row))
        if body.content_type in _LINES:
            return _parse_rows("", (json.loads(line) for line in text.splitlines() if line.strip()))
        return _parse_document(json.loads(text))
    except (AttributeError, csv.Error, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableBodyError(type(error).__name__) from error


def _parse_document(document: Any) -> tuple[int, Table]:
    if isinstance(document, list):
        return _parse_rows("", document)
    for key in _TENSORS:
        if key in document:
            return _parse_tensors(document[key])
    for key in _ROWS:
        if key in document:
            return _parse_rows(key, _require_list(document[key]))
    frame = document["dataframe_split"]
    return _parse_rows("", (dict(zip(frame["columns"], row, strict=True)) for row in _require_list(frame["data"])))


def _parse_tensors(tensors: Any) -> tuple[int, Table]:
    """Parse a list of tensors.

    A tensor of one dimension, or of rows with one value, is one column. A wider tensor has a column for each value of a
    row, named `name[index]`.
    """
    columns: dict[str, list[Value]] = {}
    count = 0
    for tensor in _require_list(tensors):
        name, shape, data = str(tensor["name"]), [int(size) for size in tensor["shape"]], tensor["data"]
        rows = shape[0] if shape else 1
        values = list(_flatten(data))
        width = len(values) // rows if rows > 0 else 0
        if rows < 1 or width * rows != len(values) or width < 1:
            raise UnreadableBodyError("data does not match the shape")
        count = max(count, min(rows, MAX_ROWS))
        for index in range(min(width, MAX_COLUMNS - len(columns))):
            column = name if width == 1 else f"{name}[{index}]"
            column_values = values[index : MAX_ROWS * width : width]
            columns[column[:_MAX_NAME_LENGTH]] = [value for value in map(_to_value, column_values) if value is not None]
    if not columns:
        raise UnreadableBodyError("no tensors")
    return count, columns


def _parse_rows(prefix: str, rows: Iterable[Any]) -> tuple[int, Table]:
    columns: dict[str, list[Value]] = {}
    count = 0
    for row in islice(rows, MAX_ROWS):
        count += 1
        name = prefix if not isinstance(row, dict) else ""
        for column, scalar in islice(_named_values(name, row), MAX_COLUMNS):
            value = _to_value(scalar)
            if value is not None and (column in columns or len(columns) < MAX_COLUMNS):
                columns.setdefault(column[:_MAX_NAME_LENGTH], []).append(value)
    if not columns:
        raise UnreadableBodyError("no rows")
    return count, columns


def _named_values(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _named_values(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _named_values(f"{name}[{index}]", inner)
    else:
        yield name or "value", value


def _flatten(data: Any) -> Iterator[Any]:
    if not isinstance(data, list):
        yield data
        return
    for element in data:
        if isinstance(element, list):
            yield from _flatten(element)
        else:
            yield element


def _to_value(scalar: Any) -> Value | None:
    """Return a number or text; booleans are text. None stands for a missing value. Raises UnreadableBodyError."""
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    if isinstance(scalar, int | float):
        return float(scalar)
    if isinstance(scalar, str):
        return scalar
    if scalar is None:
        return None
    raise UnreadableBodyError(f"value of type {type(scalar).__name__}")


def _parse_cell(cell: str) -> Any:
    text = cell.strip()
    try:
        return float(text)
    except ValueError:
        return text or None


def _require_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadableBodyError("not a list")
    return value
