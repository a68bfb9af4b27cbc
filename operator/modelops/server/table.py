"""Convert a request's tensors to the table that a model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from kserve import InferInput  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]

from modelops.server.predictor import Signature
from modelops.server.tensors import to_array


def to_table(inputs: Sequence[InferInput], signature: Signature) -> Any:
    """Return the rows to predict, from one tensor of rows or from an input per column.

    Columns may come in any order, and may include columns that the model does not take: a client may send one row to
    several models.

    Raises:
        InvalidInput: The inputs do not match the model's signature.
    """
    if not inputs:
        raise InvalidInput("the request has no inputs")
    arrays: dict[str, np.ndarray] = {}
    for tensor in inputs:
        if tensor.name in arrays:
            raise InvalidInput(f'input "{tensor.name}" is given twice')
        arrays[tensor.name] = to_array(tensor)
    if len(arrays) == 1:
        (name, values), *_ = arrays.items()
        if values.ndim >= 2 and name not in signature.columns:
            return _rows(name, values, signature)
    columns = {name: _column(name, values) for name, values in arrays.items()}
    return _named_columns(columns, signature) if signature.columns else _unnamed_columns(columns, signature)


def _rows(name: str, rows: np.ndarray, signature: Signature) -> Any:
    width = len(signature.columns) or signature.width
    if width is not None and (rows.ndim != 2 or rows.shape[1] != width):
        shape, names = list(rows.shape), _column_names(signature)
        raise InvalidInput(f'input "{name}" has shape {shape}, but the model takes {width} columns{names}')
    return pd.DataFrame(rows, columns=list(signature.columns)) if signature.columns else rows


def _column(name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        return values.ravel()
    raise InvalidInput(f'input "{name}" has shape {list(values.shape)}: a column among several must have shape [rows]')


def _named_columns(columns: dict[str, np.ndarray], signature: Signature) -> pd.DataFrame:
    missing = [name for name in signature.columns if name not in columns]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise InvalidInput(f"the request lacks the column{'s' if len(missing) > 1 else ''} {names}")
    model_columns = {name: columns[name] for name in signature.columns}
    _check_lengths(model_columns)
    return pd.DataFrame(model_columns)


def _unnamed_columns(columns: dict[str, np.ndarray], signature: Signature) -> np.ndarray:
    """Stack columns in the request's order, since the model does not store their names."""
    if signature.width is not None and len(columns) != signature.width:
        raise InvalidInput(f"the request has {len(columns)} columns, but the model takes {signature.width}")
    _check_lengths(columns)
    return np.column_stack(list(columns.values()))


def _check_lengths(columns: dict[str, np.ndarray]) -> None:
    first, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[first]):
            raise InvalidInput(
                f'column "{first}" has {len(columns[first])} values, but column "{name}" has {len(columns[name])}'
            )


def _column_names(signature: Signature) -> str:
    return f": {', '.join(signature.columns)}" if signature.columns else ""
