"""ONNX: `model.onnx`, run by ONNX Runtime.

A graph with one input takes one tensor; a graph with several takes them as columns. Outputs keep the graph's names,
with two exceptions. A single output is `predict`. The outputs of a classifier as converters write it, a label and
probabilities, are `predict` and `predict_proba`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from modelops.server.files import ModelLoadError, find_file
from modelops.server.predictor import PREDICT, PREDICT_PROBA, InvalidRequestError, Signature, Tensor
from modelops.server.threads import available_processors

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    **{f"tensor({sign}int{bits})": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "BYTES": np.object_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    **{name: np.dtype(name.lower()) for name in _DATATYPES.values() if "INT" in name},
}


class OnnxModel:
    """Inference session."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._inputs = tuple(_tensor(node) for node in session.get_inputs())
        outputs = session.get_outputs()
        self._names = _names([node.name for node in outputs])
        columns = tuple(tensor.name for tensor in self._inputs) if len(self._inputs) > 1 else ()
        first = self._inputs[0].shape
        width = first[1] if not columns and len(first) == 2 and first[1] > 0 else None
        output_tensors = tuple(
            Tensor(name, _DATATYPES.get(node.type, "FP32"), _shape(node.shape) if "seq" not in node.type else (-1, -1))
            for name, node in zip(self._names, outputs, strict=True)
        )
        self.signature = Signature(self._inputs, output_tensors, columns, width)

    def predict(self, table: Any) -> dict[str, Any]:
        """Run the graph. Raises InvalidRequestError."""
        try:
            feed = {tensor.name: self._feed(table, tensor) for tensor in self._inputs}
            values = self._session.run(None, feed)
        except (ValueError, TypeError, onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument) as error:
            raise InvalidRequestError(str(error)) from error
        return {name: _array(value) for name, value in zip(self._names, values, strict=True)}

    def _feed(self, table: Any, tensor: Tensor) -> Any:
        if not self.signature.columns:
            return np.asarray(table).astype(_DTYPES[tensor.datatype])
        column = table[tensor.name].to_numpy().astype(_DTYPES[tensor.datatype])
        return column.reshape(-1, 1) if len(tensor.shape) == 2 else column


def load(model_dir: Path) -> OnnxModel:
    """Load the model. Raises ModelLoadError."""
    file = find_file(model_dir, "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_processors()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for node in session.get_inputs():
        if node.type not in _DATATYPES:
            raise ModelLoadError(
                f'{file}: input "{node.name}" has type {node.type}, which the protocol does not support'
            )
    if not session.get_inputs():
        raise ModelLoadError(f"{file} has no inputs")
    return OnnxModel(session)


def _tensor(node: Any) -> Tensor:
    return Tensor(node.name, _DATATYPES[node.type], _shape(node.shape))


def _shape(shape: list[Any]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in shape) or (-1,)


def _names(names: list[str]) -> list[str]:
    match names:
        case [_]:
            return [PREDICT]
        case [_, second] if "probab" in second.lower():
            return [PREDICT, PREDICT_PROBA]
        case _:
            return names


def _array(value: Any) -> Any:
    """Convert an output to an array. Converters write probabilities as one map per row, from class to probability."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        classes = sorted(value[0])
        return np.array([[row[class_] for class_ in classes] for row in value], dtype=np.float32)
    return np.asarray(value)
