"""The values of one column in one batch, told apart by kind, whatever format they come from."""

import math
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""What a CSV's number looks like, without the spaces around it."""
_LONGEST_NESTED: Final = 256
"""Lists, objects and the like are told by their beginning."""


class Kind(IntEnum):
    """What one value is. A value that is there but neither finite number, text nor boolean is OTHER."""

    NULL = 0
    NUMBER = 1
    TEXT = 2
    BOOLEAN = 3
    OTHER = 4


class Cells:
    """A column's values: their kinds, their numbers (NaN where there is none), their texts.

    `typed`: the format itself tells numbers and booleans from text, as JSON and Parquet do and CSV does not.
    """

    def __init__(self, kinds: np.ndarray, numbers: np.ndarray, source: Any, *, typed: bool) -> None:
        self.kinds = kinds
        self.numbers = numbers
        self.typed = typed
        self._source = source

    def __len__(self) -> int:
        return len(self.kinds)

    def texts(self) -> Any:
        """The values as an Arrow array of strings, null where missing."""
        return self._source if pa.types.is_string(self._source.type) else _as_text(self._source)

    def text_at(self, row: int) -> str:
        """One value for people: a number as it is, a text in quotes."""
        value = self._source[row].as_py()
        if isinstance(value, str) and self.kinds[row] != Kind.NUMBER:
            return f'"{value[:40]}…"' if len(value) > 40 else f'"{value}"'
        return str(value)[:40]


def from_text(column: Any) -> Cells:
    """The cells of a CSV column: an Arrow array of strings."""
    trimmed = pc.utf8_trim_whitespace(column)
    looks_like_number = pc.fill_null(pc.match_substring_regex(trimmed, NUMBER), False)
    numbers = _floats(pc.cast(pc.if_else(looks_like_number, trimmed, pa.scalar(None, pa.string())), pa.float64()))
    kinds = np.where(np.isnan(numbers), Kind.TEXT, Kind.NUMBER).astype(np.uint8)
    kinds[_nulls(column)] = Kind.NULL
    return Cells(kinds, numbers, column, typed=False)


def from_values(values: list[Any]) -> Cells:
    """The cells of a JSON Lines column: Python values, None where missing."""
    kinds = np.fromiter((_kind_of(value) for value in values), np.uint8, len(values))
    numbers = np.fromiter(
        (float(value) if kind == Kind.NUMBER else math.nan for value, kind in zip(values, kinds, strict=True)),
        np.float64,
        len(values),
    )
    return Cells(kinds, numbers, pa.array([_text_of(value) for value in values], pa.string()), typed=True)


def from_array(column: Any) -> Cells:
    """The cells of a Parquet column: an Arrow array of any type. NaN counts as missing, as pandas writes it."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return from_array(column.dictionary_decode())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    numbers = np.full(len(column), np.nan)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        raw = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        numbers = np.where(np.isfinite(raw), raw, np.nan)
        kinds = np.full(len(column), Kind.NUMBER, np.uint8)
        kinds[np.isinf(raw)] = Kind.OTHER
    elif pa.types.is_boolean(kind):
        kinds = np.full(len(column), Kind.BOOLEAN, np.uint8)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kinds = np.full(len(column), Kind.TEXT, np.uint8)
    else:
        kinds = np.full(len(column), Kind.OTHER, np.uint8)
    kinds[_nulls(column)] = Kind.NULL
    return Cells(kinds, numbers, column, typed=True)


def _floats(column: Any) -> np.ndarray:
    numbers = column.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _nulls(column: Any) -> np.ndarray:
    return column.is_null().to_numpy(zero_copy_only=False)


def _kind_of(value: Any) -> Kind:
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, int | float):
        try:
            return Kind.NUMBER if math.isfinite(value) else Kind.OTHER
        except OverflowError:
            return Kind.OTHER
    return Kind.OTHER


def _text_of(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else repr(value)[:_LONGEST_NESTED]
    # JSON can spell half of a character, Arrow cannot hold it.
    return text if text.isascii() else text.encode(errors="replace").decode()


def _as_text(column: Any) -> Any:
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Bytes that are no UTF-8, and lists and structs, of which Arrow makes no text.
        return pa.array(
            [None if value is None else str(value)[:_LONGEST_NESTED] for value in column.to_pylist()], pa.string()
        )
