"""Convert the protocol's tensors to NumPy arrays, and back. Invalid input gives an error of one sentence."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from kserve import InferInput, InferOutput  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.utils.numpy_codec import from_np_dtype, to_np_dtype  # type: ignore[import-untyped]

_NUMBERS = (int, float, type(None))


def to_array(tensor: InferInput) -> np.ndarray:
    """Return the tensor's values in its shape: a missing number is NaN, a missing text None. Raises InvalidInput."""
    name, shape = tensor.name, tensor.shape
    if to_np_dtype(tensor.datatype) is None:
        raise InvalidInput(f'input "{name}" has the unknown datatype {tensor.datatype[:40]}')
    if not shape or any(size < 0 for size in shape):
        raise InvalidInput(f'input "{name}" has shape {shape}: all sizes must be given')
    if tensor._raw_data is not None:  # the SDK has no public accessor
        values = _from_bytes(tensor)
    else:
        values = _from_list(name, tensor.datatype, list(_flat(tensor.data)))
    if values.size != math.prod(shape):
        raise InvalidInput(f'input "{name}" has {values.size} values, but shape {shape} needs {math.prod(shape)}')
    return values.reshape(shape)


def datatype_of(array: np.ndarray) -> str:
    """Return the protocol's datatype of an array."""
    return from_np_dtype(array.dtype) or "BYTES"


def to_output(name: str, array: np.ndarray) -> InferOutput:
    """Return a tensor of a response. Types without a datatype in the protocol become text."""
    if datatype_of(array) == "BYTES":
        array = array.astype(str).astype(object)
    return InferOutput(name=name, shape=list(array.shape), datatype=datatype_of(array), data=array)


def _from_bytes(tensor: InferInput) -> np.ndarray:
    try:
        values = tensor.as_numpy()
    except Exception as error:  # too short, too long, lengths that point outside
        raise InvalidInput(
            f'input "{tensor.name}" has bytes that do not match shape {tensor.shape} of {tensor.datatype}'
        ) from error
    return _text_array(tensor.name, values.ravel().tolist()) if tensor.datatype == "BYTES" else values


def _from_list(name: str, datatype: str, values: list[Any]) -> np.ndarray:
    kinds = {type(value) for value in values}
    if datatype == "BYTES":
        return _text_array(name, values)
    allowed = (bool, type(None)) if datatype == "BOOL" else _NUMBERS
    for kind in kinds.difference(allowed):
        example = next(value for value in values if type(value) is kind)
        raise InvalidInput(f'input "{name}" has datatype {datatype}, but holds {str(example)[:40]!r}')
    if datatype.startswith(("INT", "UINT")):
        fraction = next((value for value in values if isinstance(value, float) and not value.is_integer()), None)
        if fraction is not None:
            raise InvalidInput(f'input "{name}" has datatype {datatype}, but holds {fraction}')
    missing = type(None) in kinds
    dtype = to_np_dtype(datatype) if not missing else np.object_ if datatype == "BOOL" else np.float64
    try:
        return np.array(values, dtype=dtype)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(f'input "{name}" holds a value that {datatype} cannot represent') from error


def _text_array(name: str, values: Iterable[Any]) -> np.ndarray:
    texts: list[str | None] = []
    for value in values:
        match value:
            case str() | None:
                texts.append(value)
            case bytes():
                try:
                    texts.append(value.decode())
                except UnicodeDecodeError as error:
                    raise InvalidInput(f'input "{name}" holds bytes that are not UTF-8') from error
            case _:
                raise InvalidInput(f'input "{name}" has datatype BYTES, but holds {str(value)[:40]}, which is not text')
    return np.array(texts, dtype=np.object_)


def _flat(values: Any) -> Iterator[Any]:
    """Flatten a tensor's data, which the protocol allows to be nested or flat."""
    for value in values if values is not None else ():
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value
