"""A model that is not what was said is told in one sentence, before anything listens."""

import pytest

from modelops.server.files import ModelLoadError, find
from modelops.server.formats import load


def test_the_first_name_that_is_there(tmp_path):
    (tmp_path / "model.pkl").touch()
    assert find(tmp_path, "model.joblib", "model.pkl").name == "model.pkl"
    (tmp_path / "model.joblib").touch()
    assert find(tmp_path, "model.joblib", "model.pkl").name == "model.joblib"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sklearn", "model.joblib or model.pkl"),
        ("xgboost", "model.json or model.ubj"),
        ("lightgbm", "model.txt"),
        ("onnx", "model.onnx"),
    ],
)
def test_the_sentence_names_what_was_looked_for_and_what_is_there(tmp_path, name, wanted):
    (tmp_path / "weights.bin").touch()
    with pytest.raises(ModelLoadError) as told:
        load(name, tmp_path)
    assert str(told.value) == f"there is no {wanted} in {tmp_path}; it holds weights.bin"


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(ModelLoadError, match="there is no directory"):
        load("sklearn", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "file"),
    [("sklearn", "model.joblib"), ("xgboost", "model.json"), ("lightgbm", "model.txt"), ("onnx", "model.onnx")],
)
def test_a_broken_file_is_one_sentence(tmp_path, name, file):
    """Each library breaks in its own way; the log says the same for all."""
    (tmp_path / file).write_text("no model\n")
    with pytest.raises(ModelLoadError) as told:
        load(name, tmp_path)
    assert str(told.value).startswith(f"the model in {tmp_path} does not load as {name}: ")
    assert "\n" not in str(told.value)
