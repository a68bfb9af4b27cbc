"""The values of one column in one batch, classified by kind, whatever the format of the file."""

import math
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""Pattern of a number in a CSV, without the spaces around it."""
_MAX_NESTED_LENGTH: Final = 256
"""Lists, objects and the like are compared and shown by their first characters."""


class ValueKind(IntEnum):
    """Kind of one value. A value that is present but not a finite number, a text or a boolean is OTHER."""

    NULL = 0
    NUMBER = 1
    TEXT = 2
    BOOLEAN = 3
    OTHER = 4


class ColumnValues:
    """Values of one column: `kinds` (ValueKind as uint8) and `numbers` (float64, NaN where not a number), one per row.

    `typed`: the format itself distinguishes numbers and booleans from text. JSON and Parquet do, CSV does not.
    """

    def __init__(self, kinds: np.ndarray, numbers: np.ndarray, source: Any, *, typed: bool) -> None:
        self.kinds = kinds
        self.numbers = numbers
        self.typed = typed
        self._source = source

    def __len__(self) -> int:
        return len(self.kinds)

    def texts(self) -> Any:
        """Return the values as an Arrow array of strings, null where a value is missing."""
        return self._source if pa.types.is_string(self._source.type) else _as_text(self._source)

    def text_at(self, row: int) -> str:
        """Format one value for a message: numbers as written, texts in quotes, at most 40 characters."""
        value = self._source[row].as_py()
        if isinstance(value, str) and self.kinds[row] != ValueKind.NUMBER:
            return f'"{value[:40]}…"' if len(value) > 40 else f'"{value}"'
        return str(value)[:40]


def from_csv(column: Any) -> ColumnValues:
    """Classify a column of a CSV: an Arrow array of strings."""
    trimmed = pc.utf8_trim_whitespace(column)
    is_number = pc.fill_null(pc.match_substring_regex(trimmed, NUMBER), False)
    numbers = _finite(pc.cast(pc.if_else(is_number, trimmed, pa.scalar(None, pa.string())), pa.float64()))
    kinds = np.where(np.isnan(numbers), ValueKind.TEXT, ValueKind.NUMBER).astype(np.uint8)
    kinds[_nulls(column)] = ValueKind.NULL
    return ColumnValues(kinds, numbers, column, typed=False)


def from_json(values: list[Any]) -> ColumnValues:
    """Classify a column of JSON Lines: Python values, None where missing."""
    kinds = np.fromiter((_kind_of(value) for value in values), np.uint8, len(values))
    numbers = np.fromiter(
        (float(value) if kind == ValueKind.NUMBER else math.nan for value, kind in zip(values, kinds, strict=True)),
        np.float64,
        len(values),
    )
    return ColumnValues(kinds, numbers, pa.array([_text_of(value) for value in values], pa.string()), typed=True)


def from_parquet(column: Any) -> ColumnValues:
    """Classify a column of Parquet: an Arrow array of any type. NaN counts as missing, since pandas writes it so."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return from_parquet(column.dictionary_decode())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    numbers = np.full(len(column), np.nan)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        raw = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        numbers = np.where(np.isfinite(raw), raw, np.nan)
        kinds = np.full(len(column), ValueKind.NUMBER, np.uint8)
        kinds[np.isinf(raw)] = ValueKind.OTHER
    elif pa.types.is_boolean(kind):
        kinds = np.full(len(column), ValueKind.BOOLEAN, np.uint8)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kinds = np.full(len(column), ValueKind.TEXT, np.uint8)
    else:
        kinds = np.full(len(column), ValueKind.OTHER, np.uint8)
    kinds[_nulls(column)] = ValueKind.NULL
    return ColumnValues(kinds, numbers, column, typed=True)


def _finite(column: Any) -> np.ndarray:
    numbers = column.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _nulls(column: Any) -> np.ndarray:
    nulls: np.ndarray = column.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _kind_of(value: Any) -> ValueKind:
    if value is None:
        return ValueKind.NULL
    if isinstance(value, bool):
        return ValueKind.BOOLEAN
    if isinstance(value, str):
        return ValueKind.TEXT
    if isinstance(value, int | float):
        try:
            return ValueKind.NUMBER if math.isfinite(value) else ValueKind.OTHER
        except OverflowError:
            return ValueKind.OTHER
    return ValueKind.OTHER


def _text_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else repr(value)[:_MAX_NESTED_LENGTH]
    # JSON can hold half of a surrogate pair, Arrow cannot.
    return text if text.isascii() else text.encode(errors="replace").decode()


def _as_text(column: Any) -> Any:
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Bytes that are not UTF-8, and lists and structs, which Arrow does not convert to text.
        return pa.array(
            [None if value is None else str(value)[:_MAX_NESTED_LENGTH] for value in column.to_pylist()], pa.string()
        )
