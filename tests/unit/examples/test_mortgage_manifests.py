"""The example's manifests are valid, and fit each other and the data."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops.api.contract.reports import Violations
from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.dataset.check_messages import rejections, warnings
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.profiling import Profile
from modelops.worker.quality.quality_checks import CheckInputs, evaluate
from modelops.worker.quality.schema_validation import SchemaValidator
from modelops.worker.tabular.readers import MalformedRows, read_batches
from support.checkout import ROOT

MORTGAGE = ROOT / "examples" / "mortgage"
KINDS: dict[str, Any] = {"Dataset": Dataset, "TrainingRun": TrainingRun, "InferenceService": InferenceService}
OBJECTS = [
    body for file in sorted((MORTGAGE / "manifests").glob("*.yaml")) for body in yaml.safe_load_all(file.read_text())
]

ROLLOUTS = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((MORTGAGE / "rollouts").glob("*.yaml"))}


def parsed(kind: str) -> Any:
    (body,) = (body for body in OBJECTS if body["kind"] == kind)
    return KINDS[kind].model_validate(body)


def test_the_namespace_comes_first_and_is_restricted() -> None:
    assert OBJECTS[0]["kind"] == "Namespace"
    assert OBJECTS[0]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert {body["metadata"]["namespace"] for body in OBJECTS[1:]} == {"mortgage"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_one_of_the_api(kind: str) -> None:
    """A misspelt field would be dropped without a word."""
    for body in (body for body in [*OBJECTS, *ROLLOUTS.values()] if body["kind"] == kind):
        known = KINDS[kind].model_validate(body).spec.model_dump(mode="json", by_alias=True)
        assert not list(unknown(body["spec"], known, "spec"))


def unknown(given: Any, known: Any, path: str) -> Iterator[str]:
    """Yield the paths of fields in a manifest that the parsed object does not have."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{path}.{name}"
            else:
                yield from unknown(value, known[name], f"{path}.{name}")
    elif isinstance(given, list):
        for given_item, known_item in zip(given, known, strict=True):
            yield from unknown(given_item, known_item, path)


def test_the_schema_names_every_column_of_the_data() -> None:
    with (MORTGAGE / "data/applications.csv").open() as file:
        header = next(csv.reader(file))
    assert [column.name for column in parsed("Dataset").spec.schema_.columns] == header[1:]


def read_rows(tmp_path: Path, rows: int) -> tuple[Violations | None, Profile]:
    """Return the violations and the profile of the data's first rows, as a snapshot Job finds them."""
    spec, lines = parsed("Dataset").spec, (MORTGAGE / "data/applications.csv").read_bytes().splitlines(keepends=True)
    check, profile = SchemaValidator(spec.schema_.columns, tmp_path), Profile(spec.schema_, spec.checks)
    (tmp_path / "object").write_bytes(b"".join(lines[: rows + 1]))
    for batch in read_batches(tmp_path / "object", "a.csv", "csv", MalformedRows()):
        check.add("a.csv", batch)
        profile.add(batch)
    check.end_object("a.csv")
    return check.result(), profile


@pytest.mark.parametrize(
    ("rows", "failed"),
    [
        pytest.param(2381, [], id="all of the data"),
        pytest.param(2081, [], id="without the last 300 rows"),
        pytest.param(
            900,
            [
                "rows: 900, must be at least 1000",
                "rows: -62.2% against the current snapshot, must be at least -20%",
                'column "black": DifferenceInProportionsOfLabels 0.24 for group "yes", must be at most 0.2',
            ],
            id="the first 900 rows alone",
        ),
    ],
)
def test_the_data_keeps_the_schema_and_the_checks(tmp_path: Path, rows: int, failed: list[str]) -> None:
    """The bounds mean something for this data, which keeps them, but not by far."""
    (tmp_path / "whole").mkdir()
    checks = parsed("Dataset").spec.checks
    _, whole = read_rows(tmp_path / "whole", 2381)
    baseline = Baseline.model_validate(whole.document("sha256:0", "csv"))
    violations, profile = read_rows(tmp_path, rows)
    results = evaluate(checks, CheckInputs(profile, baseline, None, datetime.now(UTC)))
    assert violations is None
    assert rejections(checks, results) == failed
    assert warnings(checks, results) == []
    if rows == 2381:
        assert [None if result.value is None else round(result.value, 3) for result in results] == [
            2381,
            0,
            1,
            0,
            0,
            0.191,
            0.715,
        ]


def test_the_manifests_refer_to_each_other() -> None:
    run, service = parsed("TrainingRun"), parsed("InferenceService")
    assert [dataset.ref.name for dataset in run.spec.datasets] == ["applications"]
    assert service.spec.model.name == run.spec.output.model == "approval"
    (secret,) = (body for body in OBJECTS if body["kind"] == "Secret")
    assert parsed("Dataset").spec.source.s3.secret_ref.name == secret["metadata"]["name"] == "s3"


def test_the_versions_to_roll_out_are_held_to_the_first_ones_gates() -> None:
    """A slow or wrong version gets as far as a rollout because a person approves it, not because gates are missing."""
    first = parsed("TrainingRun").spec.output
    runs = {name: TrainingRun.model_validate(body).spec for name, body in ROLLOUTS.items()}
    assert {name: run.output.version_template.approval.value for name, run in runs.items()} == {
        "second": "Automatic",
        "slow": "Manual",
        "wrong": "Manual",
    }
    for run in runs.values():
        assert run.output.version_template.gates == first.version_template.gates
        assert (run.output.model, run.output.format) == (first.model, first.format)


def test_the_rollout_measures_answers_that_the_gates_cannot_see() -> None:
    rollout = parsed("InferenceService").spec.rollout
    assert [step.weight for step in rollout.steps] == [20, 50]
    (check,) = rollout.analysis.checks
    (script,) = (word for word in check.job.command if word.endswith(".py"))
    assert (MORTGAGE / Path(script).name).exists()
    assert check.job.image == parsed("TrainingRun").spec.trainer.image
