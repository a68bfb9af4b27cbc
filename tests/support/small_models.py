"""Small model of each format that the presets load, with a request and its own library's predictions."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import lightgbm
import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pandas as pd  # type: ignore[import-untyped]
import skops.io  # type: ignore[import-untyped]
import xgboost
from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped]
from sklearn.datasets import make_classification  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder  # type: ignore[import-untyped]

Arrays = dict[str, np.ndarray]
_ROWS, _LABELS = make_classification(n_samples=120, n_features=4, n_informative=3, n_redundant=0, random_state=1)
_TABLE = pd.DataFrame(_ROWS, columns=list("abcd"))
_FIRST_FIVE = slice(0, 5)


@dataclass(frozen=True)
class SmallModel:
    """Trained model."""

    files: dict[str, bytes]
    """Content of the artifact's files by path."""
    inputs: Arrays
    """Values of a request."""
    outputs: Arrays
    """Predictions of the format's library for that request."""


def sklearn() -> SmallModel:
    """Build a pipeline of named columns, one of them text, as a pickle."""
    return _pipeline("model.joblib", joblib.dump)


def skops_() -> SmallModel:
    """Build the same pipeline without pickle."""
    return _pipeline("model.skops", skops.io.dump)


def _pipeline(name: str, dump: Callable[[object, Path], object]) -> SmallModel:
    table = _TABLE.assign(kind=np.array(["x", "y", "z"] * 40, dtype=object))
    encode = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(table, np.array(["no", "yes"])[_LABELS])
    request = table[_FIRST_FIVE]
    outputs = {"predict": model.predict(request), "predict_proba": model.predict_proba(request)}
    return SmallModel(_file(name, lambda to: dump(model, to)), _columns(request), outputs)


def xgboost_() -> SmallModel:
    """Build a classifier of two classes with named columns."""
    model = xgboost.XGBClassifier(n_estimators=3).fit(_TABLE, _LABELS)
    request = _TABLE[_FIRST_FIVE]
    outputs = {"predict": model.predict(request), "predict_proba": model.predict_proba(request)}
    return SmallModel(_file("model.ubj", model.save_model), _columns(request), outputs)


def lightgbm_() -> SmallModel:
    """Build a regression that takes one tensor of rows."""
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(_ROWS, _ROWS.sum(axis=1))
    request = _ROWS[_FIRST_FIVE]
    booster = model.booster_
    return SmallModel(
        _file("model.txt", booster.save_model), {"rows": request}, {"predict": np.asarray(booster.predict(request))}
    )


def onnx_() -> SmallModel:
    """Build a linear layer and a softmax that take one tensor of rows."""
    weights = onnx.numpy_helper.from_array(_ROWS[:4, :3].astype(np.float32), "weights")
    nodes = [
        onnx.helper.make_node("MatMul", ["rows", "weights"], ["sums"]),
        onnx.helper.make_node("Softmax", ["sums"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, [None, 4])]
    outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 3])]
    graph = onnx.helper.make_graph(nodes, "layer", inputs, outputs, [weights])
    model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)])
    content = model.SerializeToString()
    request = _ROWS[_FIRST_FIVE].astype(np.float32)
    (answer,) = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"rows": request})
    return SmallModel({"model.onnx": content}, {"rows": request}, {"predict": answer})


def _columns(table: pd.DataFrame) -> Arrays:
    return {name: table[name].to_numpy() for name in table}


def _file(name: str, write: Callable[[Path], object]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / name
        write(file)
        return {name: file.read_bytes()}


MODELS = {"sklearn": sklearn, "skops": skops_, "xgboost": xgboost_, "lightgbm": lightgbm_, "onnx": onnx_}
"""Format → function that builds its model."""
