"""Each format: the metadata of a model, and predictions equal to the library's own."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import lightgbm
import numpy as np
import onnx
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xgboost
from kserve import InferInput, InferRequest  # type: ignore[import-untyped]
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped]
from sklearn.datasets import make_classification  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder  # type: ignore[import-untyped]

from modelops.server.files import ModelLoadError
from modelops.server.formats import load
from modelops.server.model import ServedModel

ROWS, LABELS = make_classification(n_samples=120, n_features=4, n_informative=3, n_redundant=0, random_state=1)
TABLE = pd.DataFrame(ROWS, columns=list("abcd"))


def predict(directory: Path, name: str, inputs: list[InferInput]) -> tuple[dict[str, Any], ServedModel]:
    served = ServedModel(load(name, directory), "m", "m-1")
    response = served.infer(InferRequest("m", inputs, request_id="1"))
    assert (response.model_name, response.model_version, response.id) == ("m", "m-1", "1")
    return {output.name: output.data for output in response.outputs}, served


def columns(table: pd.DataFrame) -> list[InferInput]:
    return [InferInput(name, [len(table)], "FP64", table[name].tolist()) for name in reversed(list(table))]


def tensor(rows: np.ndarray[Any, Any]) -> list[InferInput]:
    return [InferInput("input", list(rows.shape), "FP64", rows.ravel().tolist())]


def test_sklearn_pipeline_with_named_columns(tmp_path: Path) -> None:
    table = TABLE.assign(kind=["x", "y", "z"] * 40)
    encode = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(table, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    kinds = InferInput("kind", [120], "BYTES", table["kind"].tolist())
    outputs, served = predict(tmp_path, "sklearn", [*columns(TABLE), kinds])
    assert outputs["predict"].tolist() == model.predict(table).tolist()
    assert np.allclose(outputs["predict_proba"], model.predict_proba(table))
    inputs = {tensor["name"]: tensor["datatype"] for tensor in served.get_input_types()}
    assert inputs == {"a": "FP64", "b": "FP64", "c": "FP64", "d": "FP64", "kind": "BYTES"}
    assert served.get_output_types() == [
        {"name": "predict", "datatype": "INT64", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]


def test_sklearn_classifier_without_column_names_or_probabilities(tmp_path: Path) -> None:
    model = RidgeClassifier().fit(ROWS, np.array(["no", "yes"])[LABELS])
    joblib.dump(model, tmp_path / "model.pkl")
    outputs, served = predict(tmp_path, "sklearn", tensor(ROWS))
    assert outputs.keys() == {"predict"}
    assert outputs["predict"].tolist() == model.predict(ROWS).tolist()
    assert served.get_input_types() == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
    assert served.get_output_types() == [{"name": "predict", "datatype": "BYTES", "shape": [-1]}]


def test_sklearn_regression(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(TABLE, LABELS), tmp_path / "model.joblib")
    outputs, served = predict(tmp_path, "sklearn", columns(TABLE))
    assert outputs["predict"].dtype == np.float64
    assert served.get_output_types() == [{"name": "predict", "datatype": "FP64", "shape": [-1]}]


def test_values_that_sklearn_rejects_are_invalid_input(tmp_path: Path) -> None:
    """An error that the model finds in the values is the client's to fix."""
    joblib.dump(LogisticRegression().fit(TABLE, LABELS), tmp_path / "model.joblib")
    bad = [InferInput(name, [1], "FP64", [None]) for name in TABLE]
    with pytest.raises(InvalidInput, match="the model rejected the values: Input X contains NaN"):
        predict(tmp_path, "sklearn", bad)


def test_a_pickle_without_a_model_is_rejected(tmp_path: Path) -> None:
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(ModelLoadError, match=r"model\.joblib holds a dict, which has no predict"):
        load("sklearn", tmp_path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "EOFError"),
        (b"this is not a pickle\n", "IndexError: pop from empty list"),
        (b"<html>not found</html>", "KeyError: 60"),
        (pickle.dumps(list(range(1000)))[:-100], "error: unpack requires a buffer of 2 bytes"),
    ],
)
def test_a_file_that_is_not_a_pickle_is_rejected(tmp_path: Path, content: bytes, cause: str) -> None:
    """The unpickler's own errors are not sentences that a person can act on."""
    (tmp_path / "model.joblib").write_bytes(content)
    with pytest.raises(ModelLoadError) as raised:
        load("sklearn", tmp_path)
    assert str(raised.value).endswith(f": model.joblib is not a pickle, or is truncated ({cause})")


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_xgboost_errors_have_no_time_or_stack_trace(tmp_path: Path, file: str) -> None:
    """The message gets into a status, which would change with each restart."""
    (tmp_path / file).write_text("{}")
    with pytest.raises(ModelLoadError) as raised:
        load("xgboost", tmp_path)
    assert "XGBoostError: " in str(raised.value)
    assert "Stack trace" not in str(raised.value)
    assert "[" not in str(raised.value)


def test_values_that_xgboost_rejects_are_invalid_input(tmp_path: Path) -> None:
    xgboost.XGBClassifier(n_estimators=2).fit(ROWS, LABELS).save_model(tmp_path / "model.json")
    with pytest.raises(InvalidInput) as raised:
        predict(tmp_path, "xgboost", tensor(np.full((1, 4), 1e39)))
    message = str(raised.value)
    assert message.startswith("the model rejected the values: Check failed: valid: Input data contains `inf`")
    assert "Stack trace" not in message


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_xgboost_classifier(tmp_path: Path, file: str) -> None:
    model = xgboost.XGBClassifier(n_estimators=3).fit(TABLE, LABELS)
    model.save_model(tmp_path / file)
    outputs, served = predict(tmp_path, "xgboost", columns(TABLE))
    assert outputs["predict"].tolist() == model.predict(TABLE).tolist()
    assert np.allclose(outputs["predict_proba"], model.predict_proba(TABLE))
    assert [tensor["name"] for tensor in served.get_input_types()] == list("abcd")


def test_xgboost_classifier_of_three_classes_without_column_names(tmp_path: Path) -> None:
    labels = np.arange(120) % 3
    model = xgboost.XGBClassifier(n_estimators=3).fit(ROWS, labels)
    model.save_model(tmp_path / "model.json")
    outputs, served = predict(tmp_path, "xgboost", tensor(ROWS))
    assert outputs["predict"].tolist() == model.predict(ROWS).tolist()
    assert outputs["predict_proba"].shape == (120, 3)
    assert served.get_output_types()[1]["shape"] == [-1, 3]


def test_xgboost_regression(tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=3).fit(TABLE, LABELS)
    model.save_model(tmp_path / "model.json")
    outputs, _ = predict(tmp_path, "xgboost", columns(TABLE))
    assert np.allclose(outputs["predict"], model.predict(TABLE))


def test_xgboost_categorical_columns(tmp_path: Path) -> None:
    """The model's categories are used, whichever of them a request has."""
    table = TABLE.assign(kind=pd.Categorical(["x", "y", "z"] * 40))
    model = xgboost.XGBClassifier(n_estimators=5, enable_categorical=True).fit(table, table["kind"] == "y")
    model.save_model(tmp_path / "model.json")
    some = table[table["kind"] != "x"]
    kinds = InferInput("kind", [len(some)], "BYTES", some["kind"].tolist())
    outputs, served = predict(tmp_path, "xgboost", [*columns(some[list("abcd")]), kinds])
    assert outputs["predict"].tolist() == (some["kind"] == "y").astype(int).tolist()
    assert served.get_input_types()[-1]["datatype"] == "BYTES"


def test_lightgbm_classifier(tmp_path: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(TABLE, LABELS)
    model.booster_.save_model(tmp_path / "model.txt")
    outputs, served = predict(tmp_path, "lightgbm", columns(TABLE))
    assert outputs["predict"].tolist() == np.asarray(model.predict(TABLE)).tolist()
    assert np.allclose(outputs["predict_proba"], model.predict_proba(TABLE))
    assert served.get_output_types()[1] == {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]}


def test_lightgbm_classifier_of_three_classes_without_column_names(tmp_path: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(ROWS, np.arange(120) % 3)
    model.booster_.save_model(tmp_path / "model.txt")
    outputs, served = predict(tmp_path, "lightgbm", tensor(ROWS))
    assert np.allclose(outputs["predict_proba"], model.predict_proba(ROWS))
    assert served.get_input_types() == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
    assert served.get_output_types()[1]["shape"] == [-1, 3]


def test_lightgbm_regression_with_categorical_columns(tmp_path: Path) -> None:
    table = TABLE.assign(kind=pd.Categorical(["x", "y", "z"] * 40))
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(table, table["kind"].cat.codes)
    model.booster_.save_model(tmp_path / "model.txt")
    some = table[table["kind"] != "x"]
    kinds = InferInput("kind", [len(some)], "BYTES", some["kind"].tolist())
    outputs, _ = predict(tmp_path, "lightgbm", [*columns(some[list("abcd")]), kinds])
    assert np.allclose(outputs["predict"], model.predict(some))


Node = tuple[str, type, list[int | None]]


def save_graph(nodes: list[onnx.NodeProto], inputs: Sequence[Node], outputs: Sequence[Node], tmp_path: Path) -> None:
    kinds = {float: onnx.TensorProto.FLOAT, int: onnx.TensorProto.INT64, str: onnx.TensorProto.STRING}

    def infos(values: Sequence[Node]) -> list[onnx.ValueInfoProto]:
        return [onnx.helper.make_tensor_value_info(name, kinds[kind], shape) for name, kind, shape in values]

    graph_proto = onnx.helper.make_graph(nodes, "test", infos(inputs), infos(outputs))
    onnx.save(
        onnx.helper.make_model(graph_proto, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "model.onnx",
    )


def test_onnx_graph_with_one_input(tmp_path: Path) -> None:
    """Values are converted to the graph's type, whatever the client's datatype."""
    save_graph(
        [onnx.helper.make_node("Abs", ["x"], ["y"])], [("x", float, [None, 2])], [("y", float, [None, 2])], tmp_path
    )
    outputs, served = predict(tmp_path, "onnx", tensor(np.array([[-1.0, 2.0]])))
    assert outputs["predict"].tolist() == [[1.0, 2.0]]
    assert served.get_input_types() == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert served.get_output_types() == [{"name": "predict", "datatype": "FP32", "shape": [-1, 2]}]
    with pytest.raises(InvalidInput, match="but the model takes 2 columns"):
        predict(tmp_path, "onnx", tensor(np.ones((1, 3))))


def test_onnx_graph_with_several_inputs_takes_columns(tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("Add", ["a", "b"], ["label"]),
        onnx.helper.make_node("Mul", ["a", "b"], ["probabilities"]),
    ]
    graph_outputs = [("label", float, [None, 1]), ("probabilities", float, [None, 1])]
    save_graph(nodes, [("a", float, [None, 1]), ("b", float, [None, 1])], graph_outputs, tmp_path)
    outputs, served = predict(tmp_path, "onnx", columns(pd.DataFrame({"a": [2.0, 3.0], "b": [4.0, 5.0]})))
    assert outputs["predict"].tolist() == [[6.0], [8.0]]
    assert outputs["predict_proba"].tolist() == [[8.0], [15.0]]
    assert [tensor["name"] for tensor in served.get_input_types()] == ["a", "b"]
    with pytest.raises(InvalidInput, match='lacks the column "b"'):
        predict(tmp_path, "onnx", columns(pd.DataFrame({"a": [2.0]})))
