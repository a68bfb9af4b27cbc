"""A request's tensors as the table that a model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from kserve import InferInput  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]

from modelops.server.predictor import Signature
from modelops.server.tensors import array_of


def table_of(inputs: Sequence[InferInput], signature: Signature) -> Any:
    """The rows to predict: from one tensor of rows, or from an input for each column. Raises InvalidInput.

    Columns may come in any order, and more of them than the model takes: a client may send one row to several models.
    """
    if not inputs:
        raise InvalidInput("the request has no inputs")
    arrays: dict[str, np.ndarray] = {}
    for one in inputs:
        if one.name in arrays:
            raise InvalidInput(f'input "{one.name}" is there twice')
        arrays[one.name] = array_of(one)
    if len(arrays) == 1:
        (name, only), *_ = arrays.items()
        if only.ndim >= 2 and name not in signature.columns:
            return _rows(name, only, signature)
    columns = {name: _column(name, values) for name, values in arrays.items()}
    return _named(columns, signature) if signature.columns else _unnamed(columns, signature)


def _rows(name: str, rows: np.ndarray, signature: Signature) -> Any:
    width = len(signature.columns) or signature.width
    if width is not None and (rows.ndim != 2 or rows.shape[1] != width):
        raise InvalidInput(
            f'input "{name}" has the shape {list(rows.shape)}, the model takes {width} columns{_known(signature)}'
        )
    return pd.DataFrame(rows, columns=list(signature.columns)) if signature.columns else rows


def _column(name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        return values.ravel()
    raise InvalidInput(f'input "{name}" has the shape {list(values.shape)}; as one of several columns it needs [rows]')


def _named(columns: dict[str, np.ndarray], signature: Signature) -> pd.DataFrame:
    missing = [name for name in signature.columns if name not in columns]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise InvalidInput(f"the request lacks the column{'s' if len(missing) > 1 else ''} {names}")
    wanted = {name: columns[name] for name in signature.columns}
    _same_length(wanted)
    return pd.DataFrame(wanted)


def _unnamed(columns: dict[str, np.ndarray], signature: Signature) -> np.ndarray:
    """The model does not know its columns' names: theirs is the order of the request."""
    if signature.width is not None and len(columns) != signature.width:
        raise InvalidInput(f"the request has {len(columns)} columns, the model takes {signature.width}")
    _same_length(columns)
    return np.column_stack(list(columns.values()))


def _same_length(columns: dict[str, np.ndarray]) -> None:
    first, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[first]):
            raise InvalidInput(
                f'column "{first}" has {len(columns[first])} values and column "{name}" {len(columns[name])}'
            )


def _known(signature: Signature) -> str:
    return f": {', '.join(signature.columns)}" if signature.columns else ""
