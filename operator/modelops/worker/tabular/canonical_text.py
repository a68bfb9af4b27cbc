"""Canonical text of a value: equal values have equal text, and enums, groups and duplicates are found by that text.

A number has one text however it is written, provided that it is known to be a number: the column is declared numeric,
or the format distinguishes numbers from text. Numbers below 2^53 are compared as 64-bit floating point numbers, greater
numbers digit by digit. A boolean column of a CSV accepts true, false, 1 and 0.
"""

import re
from decimal import MAX_EMAX, MIN_EMIN, Context
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from modelops.api.types import ColumnType
from modelops.worker.tabular.column_values import NUMBER, ColumnValues, ValueKind

NUMERIC: Final = (ColumnType.NUMBER, ColumnType.INTEGER)
TRUE: Final = ("true", "1")
FALSE: Final = ("false", "0")
_EXACT_BELOW: Final = 2.0**53
_MAX_LENGTH: Final = 256
"""The longest value that a spec can hold."""
_DIGITS: Final = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN)


def canonical_texts(values: ColumnValues, declared: ColumnType | None) -> Any:
    """Return the canonical texts of a column as an Arrow array of strings, null where a value is missing."""
    if declared is ColumnType.BOOLEAN and not values.typed:
        return _booleans(values.texts())
    if not values.typed and declared not in NUMERIC:
        return values.texts()
    is_number = values.kinds == ValueKind.NUMBER
    small = is_number & (np.abs(values.numbers) < _EXACT_BELOW)
    texts = _small_numbers(values.numbers, small)
    if not np.any(~small & (values.kinds != ValueKind.NULL)):
        return texts
    return pc.coalesce(texts, _large_numbers(values.texts(), is_number & ~small))


def truncate(texts: Any) -> Any:
    """Cut long texts of an Arrow array. An ellipsis distinguishes a cut text from a text of exactly that length."""
    long = pc.greater(pc.utf8_length(texts), _MAX_LENGTH)
    if not pc.any(long).as_py():
        return texts
    start = pc.utf8_slice_codeunits(texts, 0, _MAX_LENGTH)
    return pc.if_else(long, pc.binary_join_element_wise(start, "…", ""), texts)


def canonical_text(written: str, declared: ColumnType | None) -> str:
    """Return the canonical text of one value as a person writes the value in a spec."""
    if declared is ColumnType.BOOLEAN:
        return str(_booleans(pa.array([written]))[0])
    trimmed = written.strip()
    if declared not in NUMERIC or not re.fullmatch(NUMBER, trimmed):
        return written
    number = float(trimmed)
    if abs(number) < _EXACT_BELOW:
        return str(_small_numbers(np.array([number]), np.array([True]))[0])
    return _digits(trimmed)


def _booleans(texts: Any) -> Any:
    normalized = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    for canonical, spellings in (("true", TRUE), ("false", FALSE)):
        texts = pc.if_else(pc.is_in(normalized, value_set=pa.array(spellings)), canonical, texts)
    return texts


def _small_numbers(numbers: np.ndarray, where: np.ndarray) -> Any:
    # Adding zero turns -0 into 0.
    return pc.cast(pa.array(numbers + 0.0, pa.float64(), mask=~where), pa.string())


def _large_numbers(texts: Any, where: np.ndarray) -> Any:
    if not where.any():
        return texts
    return pa.array(
        [_digits(text) if large else text for text, large in zip(texts.to_pylist(), where, strict=True)], pa.string()
    )


def _digits(number: str) -> str:
    return str(_DIGITS.create_decimal(number.strip()).normalize(_DIGITS))
