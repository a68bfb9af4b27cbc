"""A model that cannot be loaded gives one sentence, before the server listens."""

from pathlib import Path

import pytest

from modelops.server.files import ModelLoadError, find_file
from modelops.server.formats import load


def test_the_first_existing_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").touch()
    assert find_file(tmp_path, "model.joblib", "model.pkl").name == "model.pkl"
    (tmp_path / "model.joblib").touch()
    assert find_file(tmp_path, "model.joblib", "model.pkl").name == "model.joblib"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sklearn", "model.joblib or model.pkl"),
        ("xgboost", "model.json or model.ubj"),
        ("lightgbm", "model.txt"),
        ("onnx", "model.onnx"),
    ],
)
def test_the_error_names_the_files_expected_and_found(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "weights.bin").touch()
    with pytest.raises(ModelLoadError) as raised:
        load(name, tmp_path)
    assert str(raised.value) == f"no {expected} in {tmp_path}; found weights.bin"


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ModelLoadError, match=r"model directory .*nowhere not found; expected model\.joblib or model\.pkl in it"
    ):
        load("sklearn", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "file"),
    [("sklearn", "model.joblib"), ("xgboost", "model.json"), ("lightgbm", "model.txt"), ("onnx", "model.onnx")],
)
def test_a_broken_file_gives_one_sentence(tmp_path: Path, name: str, file: str) -> None:
    """Each library raises other errors; the log has one form for all."""
    (tmp_path / file).write_text("not a model\n")
    with pytest.raises(ModelLoadError) as raised:
        load(name, tmp_path)
    assert str(raised.value).startswith(f"the model in {tmp_path} does not load as {name}: ")
    assert "\n" not in str(raised.value)
