"""Training scripts of the examples, run on the real data with only SageMaker's contract."""

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
from support.checkout import EXAMPLES

MORTGAGE = EXAMPLES / "mortgage"


class Training:
    """Run of the training script, with directories of its own."""

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

    def metrics(self) -> dict[str, float]:
        """Return the metrics that the run has written."""
        metrics: dict[str, float] = json.loads((self.output / "metrics.json").read_text())
        return metrics


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Run the script once with the default hyperparameters."""
    training = Training(tmp_path_factory.mktemp("trained"))
    ended = training.run(c="1.0", threshold="0.5")
    assert ended.returncode == 0, ended.stderr
    return training


def test_the_sweeps_best_trial_passes_the_examples_gates(tmp_path: Path) -> None:
    """Otherwise `make demo` would have no model to serve."""
    run = yaml.safe_load((MORTGAGE / "manifests/trainingrun.yaml").read_text())
    sweep = Sweep.model_validate(run["spec"]["sweep"])
    table: dict[int, EarlierTrial] = {}
    metrics: dict[int, dict[str, float]] = {}
    for number in range(sweep.max_trials):
        training = Training(tmp_path / str(number))
        parameters = suggest(sweep, [number], table)[number]
        ended = training.run(**parameters)
        assert ended.returncode == 0, ended.stderr
        metrics[number] = training.metrics()
        table[number] = EarlierTrial(parameters, "Succeeded", metrics[number][sweep.objective.metric])
    best = max(metrics.values(), key=lambda trial: trial[sweep.objective.metric])
    gates = run["spec"]["output"]["versionTemplate"]["gates"]
    assert gates
    for gate in gates:
        assert best[gate["metric"]] >= gate["min"]
    assert best["rows"] == 2381


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        pytest.param("second", {}, id="the second version passes its gates"),
        pytest.param("slow", {"trees": "100"}, id="the slow version, here with fewer trees, passes its gates"),
        pytest.param("wrong", {}, id="the wrong version passes its gates"),
    ],
)
def test_the_versions_to_roll_out_pass_their_gates(tmp_path: Path, name: str, overrides: dict[str, str]) -> None:
    """Otherwise `make demo` would wait for them in vain."""
    run = yaml.safe_load((MORTGAGE / f"rollouts/{name}.yaml").read_text())
    training = Training(tmp_path)
    ended = training.run(**{**run["spec"]["parameters"], **overrides})
    assert ended.returncode == 0, ended.stderr
    metrics = training.metrics()
    for gate in run["spec"]["output"]["versionTemplate"]["gates"]:
        assert metrics[gate["metric"]] >= gate["min"]


def test_the_wrong_version_denies_applications_that_others_approve(trained: Training, tmp_path: Path) -> None:
    """The version is really wrong, although its own metrics are good."""
    wrong = Training(tmp_path)
    assert wrong.run(positive="no").returncode == 0
    table = pd.read_csv(MORTGAGE / "data/applications.csv").dropna()
    right_answers, wrong_answers = (
        joblib.load(training.model / "model.joblib").predict(table) for training in (trained, wrong)
    )
    assert (right_answers == wrong_answers).mean() < 0.1


def test_each_step_writes_a_line_of_metrics(trained: Training) -> None:
    lines = [json.loads(line) for line in (trained.output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["roc_auc"] == pytest.approx(trained.metrics()["roc_auc"], abs=1e-6)


def test_predictions_have_label_prediction_and_group_of_every_held_out_row(trained: Training) -> None:
    """The fairness of the model can be assessed by group."""
    with (trained.output / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"label", "prediction", "black"}
    assert {row["black"] for row in rows} == {"yes", "no"}
    right = sum(row["label"] == row["prediction"] for row in rows) / len(rows)
    assert right == pytest.approx(trained.metrics()["accuracy"], abs=1e-6)


def test_the_protected_attribute_and_the_label_are_not_features(trained: Training) -> None:
    model = joblib.load(trained.model / "model.joblib")
    assert not {"black", "deny", ""} & set(model.feature_names_in_)


def test_the_examples_request_fits_the_model(trained: Training) -> None:
    """The request of the README is row 1 of the data."""
    request = json.loads((MORTGAGE / "request.json").read_text())
    columns = {column["name"]: column["data"] for column in request["inputs"]}
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
    first, second = (
        hashlib.sha256((training.model / "model.joblib").read_bytes()).hexdigest() for training in (trained, again)
    )
    assert first == second


def test_other_hyperparameters_give_another_model(trained: Training, tmp_path: Path) -> None:
    """`threshold` is part of the model: the served model decides as the measured one."""
    other = Training(tmp_path)
    assert other.run(threshold="0.2").returncode == 0
    assert other.metrics()["recall"] > trained.metrics()["recall"]


@pytest.mark.parametrize(
    ("hyperparameters", "empty", "reason"),
    [
        pytest.param(
            {"depth": "4"},
            False,
            "ValueError: unknown hyperparameters: depth; known are c, threshold, trees, positive",
            id="an unknown hyperparameter fails",
        ),
        pytest.param({}, True, "FileNotFoundError: there is no CSV file in ", id="a channel without data fails"),
    ],
)
def test_a_failure_writes_its_reason(tmp_path: Path, hyperparameters: dict[str, str], empty: bool, reason: str) -> None:
    """The content of output/failure becomes the TrainingRun's message."""
    data = tmp_path / "data"
    data.mkdir()
    training = Training(tmp_path, data) if empty else Training(tmp_path)
    assert training.run(**hyperparameters).returncode == 1
    assert (training.output / "failure").read_text().startswith(reason)
    assert not training.model.exists()


def test_the_sagemaker_script_does_not_mention_modelops() -> None:
    """The script proves the contract only if it is written for SageMaker alone."""
    assert "modelops" not in (EXAMPLES / "sagemaker/train.py").read_text().lower()
