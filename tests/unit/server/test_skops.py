"""Files of skops: served as pickles are, but nothing that they contain is run."""

import os
from pathlib import Path

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
from kserve import InferInput, InferRequest  # type: ignore[import-untyped]
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]

from modelops.server.__main__ import parse_arguments
from modelops.server.files import ModelLoadError
from modelops.server.formats import load
from modelops.server.model import ServedModel
from support.small_models import skops_

ROWS, LABELS = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
TREE = "sklearn.tree._tree.Tree"


def test_a_model_of_known_types_predicts_as_its_library_does(tmp_path: Path) -> None:
    """A person who leaves pickle behind gets the same predictions."""
    model = skops_()
    for name, content in model.files.items():
        (tmp_path / name).write_bytes(content)
    inputs = [
        InferInput(name, [len(values)], "BYTES" if values.dtype == object else "FP64", values.tolist())
        for name, values in model.inputs.items()
    ]
    response = ServedModel(load("skops", tmp_path), "m", "m-1").infer(InferRequest("m", inputs))
    outputs = {output.name: output.data for output in response.outputs}
    assert outputs["predict"].tolist() == model.outputs["predict"].tolist()
    assert np.allclose(outputs["predict_proba"], model.outputs["predict_proba"])


def test_a_file_with_a_function_of_the_publishers_choice_is_refused(tmp_path: Path) -> None:
    """The publisher of a model must not decide what runs in its server."""
    skops.io.dump(make_pipeline(FunctionTransformer(os.getenv), LogisticRegression()), tmp_path / "model.skops")
    with pytest.raises(ModelLoadError, match=r"^model\.skops has types that are not trusted: os\.getenv; "):
        load("skops", tmp_path)


def test_a_type_is_loaded_once_the_platform_team_trusts_it(tmp_path: Path) -> None:
    """The arrays of a tree are not checked, so trees are a decision of whoever installs the chart."""
    forest = RandomForestClassifier(n_estimators=2, random_state=1).fit(ROWS, LABELS)
    skops.io.dump(forest, tmp_path / "model.skops")
    with pytest.raises(ModelLoadError) as raised:
        load("skops", tmp_path)
    assert str(raised.value) == (
        f"model.skops has types that are not trusted: {TREE}; train a model without them, or ask whoever installs the "
        "chart to trust them in the runtime's MODELOPS_TRUSTED_TYPES"
    )
    trusting = load("skops", tmp_path, [TREE])
    assert trusting.predict(ROWS)["predict"].tolist() == forest.predict(ROWS).tolist()


def test_a_pickle_is_not_a_skops_file(tmp_path: Path) -> None:
    """Renaming a pickle does not load it."""
    (tmp_path / "model.skops").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelLoadError, match="does not load as skops: BadZipFile: File is not a zip file"):
        load("skops", tmp_path)


def test_a_file_without_a_model_is_refused(tmp_path: Path) -> None:
    """The message names what the file holds."""
    skops.io.dump({"a": 1}, tmp_path / "model.skops")
    with pytest.raises(ModelLoadError, match=r"model\.skops holds a dict, which has no predict"):
        load("skops", tmp_path)


@pytest.mark.parametrize(
    ("variable", "options", "expect"),
    [
        (None, (), ()),
        (f"{TREE}, mine.Type", (), (TREE, "mine.Type")),
        ("mine.Type", ("--trusted-types", TREE), (TREE,)),
    ],
    ids=["none by default", "by the runtime's variable", "the option overrides the variable"],
)
def test_trusted_types_are_given_by_the_runtime(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, options: tuple[str, ...], expect: tuple[str, ...]
) -> None:
    """Users cannot set variables of this prefix for a preset."""
    if variable is not None:
        monkeypatch.setenv("MODELOPS_TRUSTED_TYPES", variable)
    required = ("--model-dir=/m", "--model-name=m", "--model-version=1", "--format=skops")
    assert parse_arguments([*required, *options]).trusted_types == expect
