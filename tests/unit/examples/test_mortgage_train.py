"""The examples' training scripts on the real data, by SageMaker's contract alone."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import pandas as pd  # type: ignore[import-untyped]
import pytest
import yaml

from modelops.api.sweep import Sweep
from modelops.controllers.trainingrun.sweep.suggestions import EarlierTrial, suggest
from support.checkout import ROOT

EXAMPLES = ROOT / "examples"
MORTGAGE = EXAMPLES / "mortgage"


class Training:
    """The directories of one run, and the run itself."""

    def __init__(self, root: Path, data: Path = MORTGAGE / "data") -> None:
        self.model, self.output, self.config, self.data = root / "model", root / "output", root / "config", data

    def run(self, **hyperparameters: str) -> subprocess.CompletedProcess[str]:
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        environment = {
            "PATH": os.environ["PATH"],
            "SM_CHANNEL_TRAIN": str(self.data),
            "SM_INPUT_CONFIG_DIR": str(self.config),
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.output),
        }
        words = [sys.executable, str(MORTGAGE / "train.py")]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    training = Training(tmp_path_factory.mktemp("trained"))
    ended = training.run(c="1.0", threshold="0.5")
    assert ended.returncode == 0, ended.stderr
    return training


def test_the_sweeps_best_trial_passes_the_examples_gates(tmp_path: Path) -> None:
    """`make demo` ends with a model that serves."""
    run = yaml.safe_load((MORTGAGE / "manifests/trainingrun.yaml").read_text())
    sweep = Sweep.model_validate(run["spec"]["sweep"])
    table: dict[int, EarlierTrial] = {}
    metrics: dict[int, dict[str, float]] = {}
    for number in range(sweep.max_trials):
        training = Training(tmp_path / str(number))
        parameters = suggest(sweep, [number], table)[number]
        ended = training.run(**parameters)
        assert ended.returncode == 0, ended.stderr
        metrics[number] = json.loads((training.output / "metrics.json").read_text())
        table[number] = EarlierTrial(parameters, "Succeeded", metrics[number][sweep.objective.metric])
    best = max(metrics.values(), key=lambda values: values[sweep.objective.metric])
    gates = run["spec"]["output"]["versionTemplate"]["gates"]
    assert gates
    for gate in gates:
        assert best[gate["metric"]] >= gate["min"]
    assert best["rows"] == 2381


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        pytest.param("second", {}, id="the second"),
        pytest.param("slow", {"trees": "100"}, id="the slow one, with fewer trees"),
        pytest.param("wrong", {}, id="the wrong one"),
    ],
)
def test_the_versions_to_roll_out_pass_their_gates(tmp_path: Path, name: str, changed: dict[str, str]) -> None:
    """Otherwise `make demo` would wait for them in vain."""
    run = yaml.safe_load((MORTGAGE / f"rollouts/{name}.yaml").read_text())
    training = Training(tmp_path)
    ended = training.run(**{**run["spec"]["parameters"], **changed})
    assert ended.returncode == 0, ended.stderr
    metrics = json.loads((training.output / "metrics.json").read_text())
    for gate in run["spec"]["output"]["versionTemplate"]["gates"]:
        assert metrics[gate["metric"]] >= gate["min"]


def test_the_wrong_version_denies_what_the_others_approve(trained: Training, tmp_path: Path) -> None:
    """The version's own metrics show nothing wrong, so that only a rollout can find its fault."""
    wrong = Training(tmp_path)
    assert wrong.run(positive="no").returncode == 0
    table = pd.read_csv(MORTGAGE / "data/applications.csv").dropna()
    predictions = [joblib.load(training.model / "model.joblib").predict(table) for training in (trained, wrong)]
    assert (predictions[0] == predictions[1]).mean() < 0.1


def test_step_metrics_are_a_line_each(trained: Training) -> None:
    lines = [json.loads(line) for line in (trained.output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["roc_auc"] == pytest.approx(
        json.loads((trained.output / "metrics.json").read_text())["roc_auc"], abs=1e-6
    )


def test_predictions_name_the_groups(trained: Training) -> None:
    """The fairness of the model can be measured: every held-out row has its label, prediction and group."""
    with (trained.output / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"label", "prediction", "black"}
    assert {row["black"] for row in rows} == {"yes", "no"}
    right = sum(row["label"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(json.loads((trained.output / "metrics.json").read_text())["accuracy"], abs=1e-6)


def test_the_protected_attribute_and_the_label_are_no_features(trained: Training) -> None:
    model = joblib.load(trained.model / "model.joblib")
    assert not {"black", "deny", ""} & set(model.feature_names_in_)


def test_the_examples_request_fits_the_model(trained: Training) -> None:
    """Row 1 of the data, as the README sends it."""
    request = json.loads((MORTGAGE / "request.json").read_text())
    columns = {tensor["name"]: tensor["data"] for tensor in request["inputs"]}
    model = joblib.load(trained.model / "model.joblib")
    assert set(columns) == set(model.feature_names_in_)
    first = pd.read_csv(MORTGAGE / "data/applications.csv").iloc[0]
    for name, data in columns.items():
        assert data == [pytest.approx(first[name]) if isinstance(data[0], float | int) else first[name]]
    assert model.predict(pd.DataFrame(columns)[list(model.feature_names_in_)]).tolist() == [0]


def test_the_same_inputs_give_the_same_bytes(trained: Training, tmp_path: Path) -> None:
    """An artifact's digest can be reproduced."""
    again = Training(tmp_path)
    assert again.run(c="1.0", threshold="0.5").returncode == 0
    files = [(training.model / "model.joblib").read_bytes() for training in (trained, again)]
    first, second = (hashlib.sha256(content).hexdigest() for content in files)
    assert first == second


def test_other_hyperparameters_give_another_model(trained: Training, tmp_path: Path) -> None:
    """`threshold` is the model's own: what serves decides as what was measured."""
    other = Training(tmp_path)
    assert other.run(threshold="0.2").returncode == 0
    recall = [json.loads((training.output / "metrics.json").read_text())["recall"] for training in (trained, other)]
    assert recall[1] > recall[0]


@pytest.mark.parametrize(
    ("hyperparameters", "empty", "reason"),
    [
        ({"depth": "4"}, False, "ValueError: unknown hyperparameters: depth; known are c, threshold, trees, positive"),
        ({}, True, "FileNotFoundError: there is no CSV file in "),
    ],
)
def test_a_failure_leaves_its_reason(tmp_path: Path, hyperparameters: dict[str, str], empty: bool, reason: str) -> None:
    """The file output/failure becomes the TrainingRun's message."""
    data = tmp_path / "data"
    data.mkdir()
    training = Training(tmp_path, data) if empty else Training(tmp_path)
    assert training.run(**hyperparameters).returncode == 1
    assert (training.output / "failure").read_text().startswith(reason)
    assert not training.model.exists()


def test_the_sagemaker_script_knows_nothing_of_modelops() -> None:
    """The script proves the contract only as long as it uses nothing but SageMaker's."""
    assert "modelops" not in (EXAMPLES / "sagemaker/train.py").read_text().lower()
