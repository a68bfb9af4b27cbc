"""A value as text, so that the same value always has the same text: by it enums, groups and duplicates are found.

A number is the same however it is written, as long as it is known to be one: because the column is declared so, or
because the format tells numbers from text. Numbers below 2^53 are compared as 64-bit floating point numbers, greater
ones digit by digit. A boolean column of a CSV knows true, false, 1 and 0.
"""

import re
from decimal import MAX_EMAX, MIN_EMIN, Context
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from modelops.api.types import ColumnType
from modelops.worker.tabular.column_values import NUMBER, Cells, Kind

NUMERIC: Final = (ColumnType.NUMBER, ColumnType.INTEGER)
TRUE: Final = ("true", "1")
FALSE: Final = ("false", "0")
_GREATEST_EXACT: Final = 2.0**53
_LONGEST: Final = 256
"""As long as a value in a spec can be."""
_DIGITS: Final = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN)


def texts(cells: Cells, declared: ColumnType | None) -> Any:
    """The values of a column as an Arrow array of strings, null where missing."""
    if declared is ColumnType.BOOLEAN and not cells.typed:
        return _booleans(cells.texts())
    if not cells.typed and declared not in NUMERIC:
        return cells.texts()
    small = (cells.kinds == Kind.NUMBER) & (np.abs(cells.numbers) < _GREATEST_EXACT)
    spelled = _small_numbers(cells.numbers, small)
    if not np.any(~small & (cells.kinds != Kind.NULL)):
        return spelled
    return pc.coalesce(spelled, _great_numbers(cells.texts(), (cells.kinds == Kind.NUMBER) & ~small))


def shortened(column: Any) -> Any:
    """The beginnings of long texts, with an ellipsis that tells them from texts as short as that."""
    long = pc.greater(pc.utf8_length(column), _LONGEST)
    if not pc.any(long).as_py():
        return column
    start = pc.utf8_slice_codeunits(column, 0, _LONGEST)
    return pc.if_else(long, pc.binary_join_element_wise(start, "…", ""), column)


def text(written: str, declared: ColumnType | None) -> str:
    """The same for one value as a person writes it in a spec."""
    if declared is ColumnType.BOOLEAN:
        return str(_booleans(pa.array([written]))[0])
    trimmed = written.strip()
    if declared not in NUMERIC or not re.fullmatch(NUMBER, trimmed):
        return written
    number = float(trimmed)
    if abs(number) < _GREATEST_EXACT:
        return str(_small_numbers(np.array([number]), np.array([True]))[0])
    return _digits(trimmed)


def _booleans(column: Any) -> Any:
    spelled = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    for text_, words in (("true", TRUE), ("false", FALSE)):
        column = pc.if_else(pc.is_in(spelled, value_set=pa.array(words)), text_, column)
    return column


def _small_numbers(numbers: np.ndarray, where: np.ndarray) -> Any:
    # Adding zero makes 0 of -0.
    return pc.cast(pa.array(numbers + 0.0, pa.float64(), mask=~where), pa.string())


def _great_numbers(column: Any, where: np.ndarray) -> Any:
    if not where.any():
        return column
    return pa.array(
        [_digits(one) if great else one for one, great in zip(column.to_pylist(), where, strict=True)], pa.string()
    )


def _digits(number: str) -> str:
    return str(_DIGITS.create_decimal(number.strip()).normalize(_DIGITS))
