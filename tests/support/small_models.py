"""A small model of each format that the presets load, with a request and what its own library answers to it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

Arrays = dict[str, np.ndarray]
_ROWS, _LABELS = make_classification(n_samples=120, n_features=4, n_informative=3, n_redundant=0, random_state=1)
_TABLE = pd.DataFrame(_ROWS, columns=list("abcd"))
_ASKED = slice(0, 5)


@dataclass(frozen=True)
class SmallModel:
    """A trained model."""

    files: dict[str, bytes]
    """Its artifact: path → content."""
    inputs: Arrays
    """What it is asked."""
    outputs: Arrays
    """What it answers to that, by the library itself."""


def sklearn() -> SmallModel:
    """A pipeline of named columns, one of them text."""
    table = _TABLE.assign(kind=np.array(["x", "y", "z"] * 40, dtype=object))
    encode = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(table, np.array(["no", "yes"])[_LABELS])
    asked = table[_ASKED]
    outputs = {"predict": model.predict(asked), "predict_proba": model.predict_proba(asked)}
    return SmallModel(_file("model.joblib", lambda to: joblib.dump(model, to)), _columns(asked), outputs)


def xgboost_() -> SmallModel:
    """Two classes, by named columns."""
    model = xgboost.XGBClassifier(n_estimators=3).fit(_TABLE, _LABELS)
    asked = _TABLE[_ASKED]
    outputs = {"predict": model.predict(asked), "predict_proba": model.predict_proba(asked)}
    return SmallModel(_file("model.ubj", model.save_model), _columns(asked), outputs)


def lightgbm_() -> SmallModel:
    """A regression, in one tensor of rows."""
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(_ROWS, _ROWS.sum(axis=1))
    asked = _ROWS[_ASKED]
    booster = model.booster_
    return SmallModel(_file("model.txt", booster.save_model), {"rows": asked}, {"predict": booster.predict(asked)})


def onnx_() -> SmallModel:
    """A linear layer and a softmax, in one tensor of rows."""
    weights = onnx.numpy_helper.from_array(_ROWS[:4, :3].astype(np.float32), "weights")
    nodes = [
        onnx.helper.make_node("MatMul", ["rows", "weights"], ["sums"]),
        onnx.helper.make_node("Softmax", ["sums"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, [None, 4])]
    outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 3])]
    graph = onnx.helper.make_graph(nodes, "layer", inputs, outputs, [weights])
    made = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)])
    content = made.SerializeToString()
    asked = _ROWS[_ASKED].astype(np.float32)
    (answer,) = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"rows": asked})
    return SmallModel({"model.onnx": content}, {"rows": asked}, {"predict": answer})


def _columns(table: pd.DataFrame) -> Arrays:
    return {name: table[name].to_numpy() for name in table}


def _file(name: str, write: Callable[[Path], object]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / name
        write(file)
        return {name: file.read_bytes()}


MODELS = {"sklearn": sklearn, "xgboost": xgboost_, "lightgbm": lightgbm_, "onnx": onnx_}
"""Format → what makes a model of it."""
