"""Each format: what the metadata says of a model, and that answers are the library's own."""

import pickle

import joblib
import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from kserve import InferInput, InferRequest
from kserve.errors import InvalidInput
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelops.server.files import ModelLoadError
from modelops.server.formats import load
from modelops.server.model import ServedModel

ROWS, LABELS = make_classification(n_samples=120, n_features=4, n_informative=3, n_redundant=0, random_state=1)
TABLE = pd.DataFrame(ROWS, columns=list("abcd"))


def ask(directory, name, inputs):
    served = ServedModel(load(name, directory), "m", "m-1")
    answer = served.infer(InferRequest("m", inputs, request_id="1"))
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "m-1", "1")
    return {output.name: output.data for output in answer.outputs}, served


def columns(table):
    return [InferInput(name, [len(table)], "FP64", table[name].tolist()) for name in reversed(list(table))]


def tensor(rows):
    return [InferInput("input", list(rows.shape), "FP64", rows.ravel().tolist())]


def test_sklearn_pipeline_with_named_columns(tmp_path):
    table = TABLE.assign(kind=["x", "y", "z"] * 40)
    encode = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(table, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    kinds = InferInput("kind", [120], "BYTES", table["kind"].tolist())
    answers, served = ask(tmp_path, "sklearn", [*columns(TABLE), kinds])
    assert answers["predict"].tolist() == model.predict(table).tolist()
    assert np.allclose(answers["predict_proba"], model.predict_proba(table))
    inputs = {one["name"]: one["datatype"] for one in served.get_input_types()}
    assert inputs == {"a": "FP64", "b": "FP64", "c": "FP64", "d": "FP64", "kind": "BYTES"}
    assert served.get_output_types() == [
        {"name": "predict", "datatype": "INT64", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]


def test_sklearn_without_names_and_probabilities(tmp_path):
    model = RidgeClassifier().fit(ROWS, np.array(["no", "yes"])[LABELS])
    joblib.dump(model, tmp_path / "model.pkl")
    answers, served = ask(tmp_path, "sklearn", tensor(ROWS))
    assert answers.keys() == {"predict"}
    assert answers["predict"].tolist() == model.predict(ROWS).tolist()
    assert served.get_input_types() == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
    assert served.get_output_types() == [{"name": "predict", "datatype": "BYTES", "shape": [-1]}]


def test_sklearn_regression(tmp_path):
    joblib.dump(LinearRegression().fit(TABLE, LABELS), tmp_path / "model.joblib")
    answers, served = ask(tmp_path, "sklearn", columns(TABLE))
    assert answers["predict"].dtype == np.float64
    assert served.get_output_types() == [{"name": "predict", "datatype": "FP64", "shape": [-1]}]


def test_sklearn_refuses_values_it_cannot_take(tmp_path):
    """What the model itself finds wrong with the values is the client's to mend."""
    joblib.dump(LogisticRegression().fit(TABLE, LABELS), tmp_path / "model.joblib")
    bad = [InferInput(name, [1], "FP64", [None]) for name in TABLE]
    with pytest.raises(InvalidInput, match="the model does not take these values: Input X contains NaN"):
        ask(tmp_path, "sklearn", bad)


def test_a_pickle_of_something_else(tmp_path):
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(ModelLoadError, match=r"model\.joblib holds a dict, which has no predict"):
        load("sklearn", tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "EOFError"),
        (b"this is no pickle\n", "IndexError: pop from empty list"),
        (b"<html>not found</html>", "KeyError: 60"),
        (pickle.dumps(list(range(1000)))[:-100], "error: unpack requires a buffer of 2 bytes"),
    ],
)
def test_a_file_that_is_no_pickle(tmp_path, content, why):
    """What the unpickler says of it is no sentence that a person can act on."""
    (tmp_path / "model.joblib").write_bytes(content)
    with pytest.raises(ModelLoadError) as raised:
        load("sklearn", tmp_path)
    assert str(raised.value).endswith(f": model.joblib is no pickle, or not the whole of one ({why})")


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_xgboost_says_what_is_wrong_without_addresses(tmp_path, file):
    """Its words get into a status: with the time and a native stack in them that would change with every restart."""
    (tmp_path / file).write_text("{}")
    with pytest.raises(ModelLoadError) as raised:
        load("xgboost", tmp_path)
    assert "XGBoostError: " in str(raised.value)
    assert "Stack trace" not in str(raised.value)
    assert "[" not in str(raised.value)


def test_xgboost_refuses_values_without_its_stack(tmp_path):
    xgboost.XGBClassifier(n_estimators=2).fit(ROWS, LABELS).save_model(tmp_path / "model.json")
    with pytest.raises(InvalidInput) as raised:
        ask(tmp_path, "xgboost", tensor(np.full((1, 4), 1e39)))
    said = str(raised.value)
    assert said.startswith("the model does not take these values: Check failed: valid: Input data contains `inf`")
    assert "Stack trace" not in said


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_xgboost_classes(tmp_path, file):
    model = xgboost.XGBClassifier(n_estimators=3).fit(TABLE, LABELS)
    model.save_model(tmp_path / file)
    answers, served = ask(tmp_path, "xgboost", columns(TABLE))
    assert answers["predict"].tolist() == model.predict(TABLE).tolist()
    assert np.allclose(answers["predict_proba"], model.predict_proba(TABLE))
    assert [one["name"] for one in served.get_input_types()] == list("abcd")


def test_xgboost_many_classes_without_names(tmp_path):
    labels = np.arange(120) % 3
    model = xgboost.XGBClassifier(n_estimators=3).fit(ROWS, labels)
    model.save_model(tmp_path / "model.json")
    answers, served = ask(tmp_path, "xgboost", tensor(ROWS))
    assert answers["predict"].tolist() == model.predict(ROWS).tolist()
    assert answers["predict_proba"].shape == (120, 3)
    assert served.get_output_types()[1]["shape"] == [-1, 3]


def test_xgboost_regression(tmp_path):
    model = xgboost.XGBRegressor(n_estimators=3).fit(TABLE, LABELS)
    model.save_model(tmp_path / "model.json")
    answers, _ = ask(tmp_path, "xgboost", columns(TABLE))
    assert np.allclose(answers["predict"], model.predict(TABLE))


def test_xgboost_categories(tmp_path):
    """Categories are the model's own, whichever of them a request has."""
    table = TABLE.assign(kind=pd.Categorical(["x", "y", "z"] * 40))
    model = xgboost.XGBClassifier(n_estimators=5, enable_categorical=True).fit(table, table["kind"] == "y")
    model.save_model(tmp_path / "model.json")
    some = table[table["kind"] != "x"]
    kinds = InferInput("kind", [len(some)], "BYTES", some["kind"].tolist())
    answers, served = ask(tmp_path, "xgboost", [*columns(some[list("abcd")]), kinds])
    assert answers["predict"].tolist() == (some["kind"] == "y").astype(int).tolist()
    assert served.get_input_types()[-1]["datatype"] == "BYTES"


def test_lightgbm_classes(tmp_path):
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(TABLE, LABELS)
    model.booster_.save_model(tmp_path / "model.txt")
    answers, served = ask(tmp_path, "lightgbm", columns(TABLE))
    assert answers["predict"].tolist() == model.predict(TABLE).tolist()
    assert np.allclose(answers["predict_proba"], model.predict_proba(TABLE))
    assert served.get_output_types()[1] == {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]}


def test_lightgbm_many_classes_without_names(tmp_path):
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(ROWS, np.arange(120) % 3)
    model.booster_.save_model(tmp_path / "model.txt")
    answers, served = ask(tmp_path, "lightgbm", tensor(ROWS))
    assert np.allclose(answers["predict_proba"], model.predict_proba(ROWS))
    assert served.get_input_types() == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
    assert served.get_output_types()[1]["shape"] == [-1, 3]


def test_lightgbm_regression_and_categories(tmp_path):
    table = TABLE.assign(kind=pd.Categorical(["x", "y", "z"] * 40))
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(table, table["kind"].cat.codes)
    model.booster_.save_model(tmp_path / "model.txt")
    some = table[table["kind"] != "x"]
    kinds = InferInput("kind", [len(some)], "BYTES", some["kind"].tolist())
    answers, _ = ask(tmp_path, "lightgbm", [*columns(some[list("abcd")]), kinds])
    assert np.allclose(answers["predict"], model.predict(some))


def graph(nodes, inputs, outputs, tmp_path):
    kinds = {float: onnx.TensorProto.FLOAT, int: onnx.TensorProto.INT64, str: onnx.TensorProto.STRING}

    def info(values):
        return [onnx.helper.make_tensor_value_info(name, kinds[kind], shape) for name, kind, shape in values]

    made = onnx.helper.make_graph(nodes, "test", info(inputs), info(outputs))
    onnx.save(
        onnx.helper.make_model(made, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "model.onnx",
    )


def test_onnx_one_tensor(tmp_path):
    """Values become the graph's type, whatever a client writes them in."""
    graph([onnx.helper.make_node("Abs", ["x"], ["y"])], [("x", float, [None, 2])], [("y", float, [None, 2])], tmp_path)
    answers, served = ask(tmp_path, "onnx", tensor(np.array([[-1.0, 2.0]])))
    assert answers["predict"].tolist() == [[1.0, 2.0]]
    assert served.get_input_types() == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert served.get_output_types() == [{"name": "predict", "datatype": "FP32", "shape": [-1, 2]}]
    with pytest.raises(InvalidInput, match="the model takes 2 columns"):
        ask(tmp_path, "onnx", tensor(np.ones((1, 3))))


def test_onnx_columns(tmp_path):
    nodes = [
        onnx.helper.make_node("Add", ["a", "b"], ["label"]),
        onnx.helper.make_node("Mul", ["a", "b"], ["probabilities"]),
    ]
    outputs = [("label", float, [None, 1]), ("probabilities", float, [None, 1])]
    graph(nodes, [("a", float, [None, 1]), ("b", float, [None, 1])], outputs, tmp_path)
    answers, served = ask(tmp_path, "onnx", columns(pd.DataFrame({"a": [2.0, 3.0], "b": [4.0, 5.0]})))
    assert answers["predict"].tolist() == [[6.0], [8.0]]
    assert answers["predict_proba"].tolist() == [[8.0], [15.0]]
    assert [one["name"] for one in served.get_input_types()] == ["a", "b"]
    with pytest.raises(InvalidInput, match='lacks the column "b"'):
        ask(tmp_path, "onnx", columns(pd.DataFrame({"a": [2.0]})))
