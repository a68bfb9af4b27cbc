"""The protocol's tensors as NumPy arrays, and back. Whatever a client may send wrong is told in a sentence."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from kserve import InferInput, InferOutput  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.utils.numpy_codec import from_np_dtype, to_np_dtype  # type: ignore[import-untyped]

_NUMBERS = (int, float, type(None))


def array_of(tensor: InferInput) -> np.ndarray:
    """The tensor's values in its shape. Raises InvalidInput. A missing number is NaN, a missing text None."""
    name, shape = tensor.name, tensor.shape
    if to_np_dtype(tensor.datatype) is None:
        raise InvalidInput(f'input "{name}" has the unknown datatype {tensor.datatype[:40]}')
    if not shape or any(size < 0 for size in shape):
        raise InvalidInput(f'input "{name}" has the shape {shape}, which must name its sizes')
    if tensor._raw_data is not None:  # the SDK has no other door to it
        values = _from_bytes(tensor)
    else:
        values = _from_list(name, tensor.datatype, list(_flat(tensor.data)))
    if values.size != math.prod(shape):
        raise InvalidInput(f'input "{name}" has {values.size} values, its shape {shape} needs {math.prod(shape)}')
    return values.reshape(shape)


def datatype_of(array: np.ndarray) -> str:
    """The protocol's name of an array's type."""
    return from_np_dtype(array.dtype) or "BYTES"


def output_of(name: str, array: np.ndarray) -> InferOutput:
    """An answer's tensor."""
    if datatype_of(array) == "BYTES":
        array = array.astype(str).astype(object)
    return InferOutput(name=name, shape=list(array.shape), datatype=datatype_of(array), data=array)


def _from_bytes(tensor: InferInput) -> np.ndarray:
    try:
        values = tensor.as_numpy()
    except Exception as error:  # too short, too long, lengths that point outside
        raise InvalidInput(
            f'input "{tensor.name}" has bytes that are no {tensor.shape} of {tensor.datatype}'
        ) from error
    return _texts(tensor.name, values.ravel().tolist()) if tensor.datatype == "BYTES" else values


def _from_list(name: str, datatype: str, values: list[Any]) -> np.ndarray:
    kinds = {type(value) for value in values}
    if datatype == "BYTES":
        return _texts(name, values)
    allowed = (bool, type(None)) if datatype == "BOOL" else _NUMBERS
    for kind in kinds.difference(allowed):
        example = next(value for value in values if type(value) is kind)
        raise InvalidInput(f'input "{name}" is of {datatype} and holds {str(example)[:40]!r}')
    if datatype.startswith(("INT", "UINT")):
        fraction = next((value for value in values if isinstance(value, float) and not value.is_integer()), None)
        if fraction is not None:
            raise InvalidInput(f'input "{name}" is of {datatype} and holds {fraction}')
    missing = type(None) in kinds
    dtype = to_np_dtype(datatype) if not missing else np.object_ if datatype == "BOOL" else np.float64
    try:
        return np.array(values, dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(f'input "{name}" holds a value that {datatype} cannot') from error


def _texts(name: str, values: Iterable[Any]) -> np.ndarray:
    texts: list[str | None] = []
    for value in values:
        match value:
            case str() | None:
                texts.append(value)
            case bytes():
                try:
                    texts.append(value.decode())
                except UnicodeDecodeError as error:
                    raise InvalidInput(f'input "{name}" holds bytes that are no text') from error
            case _:
                raise InvalidInput(f'input "{name}" is of BYTES and holds {str(value)[:40]}, which is no text')
    return np.array(texts, dtype=np.object_)


def _flat(values: Any) -> Iterator[Any]:
    """The protocol lets a tensor's data be nested or flat."""
    for value in values if values is not None else ():
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
