"""Manifests of the mortgage example: the API accepts them, and they fit each other and the data."""

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
from support.checkout import EXAMPLES

MORTGAGE = EXAMPLES / "mortgage"
DATA = MORTGAGE / "data" / "applications.csv"
ROWS = 2381
KINDS: dict[str, type[Dataset | TrainingRun | InferenceService]] = {
    "Dataset": Dataset,
    "TrainingRun": TrainingRun,
    "InferenceService": InferenceService,
}
OBJECTS = [
    body for file in sorted((MORTGAGE / "manifests").glob("*.yaml")) for body in yaml.safe_load_all(file.read_text())
]
ROLLOUTS = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((MORTGAGE / "rollouts").glob("*.yaml"))}


def manifest(kind: str) -> dict[str, Any]:
    """Return the example's only object of a kind."""
    (body,) = (body for body in OBJECTS if body["kind"] == kind)
    return dict(body)


DATASET = Dataset.model_validate(manifest("Dataset"))
RUN = TrainingRun.model_validate(manifest("TrainingRun"))
SERVICE = InferenceService.model_validate(manifest("InferenceService"))


def test_the_namespace_comes_first_and_is_restricted() -> None:
    assert OBJECTS[0]["kind"] == "Namespace"
    assert OBJECTS[0]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert {body["metadata"]["namespace"] for body in OBJECTS[1:]} == {"mortgage"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_a_field_of_the_api(kind: str) -> None:
    """A misspelt field would be dropped without a word."""
    for body in (body for body in [*OBJECTS, *ROLLOUTS.values()] if body["kind"] == kind):
        known = KINDS[kind].model_validate(body).spec.model_dump(mode="json", by_alias=True)
        assert not list(unknown_fields(body["spec"], known, "spec"))


def unknown_fields(given: object, known: Any, path: str) -> Iterator[str]:
    """Yield the paths of fields that are given but not known."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{path}.{name}"
            else:
                yield from unknown_fields(value, known[name], f"{path}.{name}")
    elif isinstance(given, list):
        for given_item, known_item in zip(given, known, strict=True):
            yield from unknown_fields(given_item, known_item, path)


def test_the_schema_names_every_column_of_the_data() -> None:
    with DATA.open() as file:
        header = next(csv.reader(file))
    assert DATASET.spec.schema_ is not None
    assert [column.name for column in DATASET.spec.schema_.columns] == header[1:]


def validate_and_profile(scratch: Path, rows: int) -> tuple[Violations | None, Profile]:
    """Validate and profile the header and the first rows of the data, as a snapshot Job does."""
    schema, lines = DATASET.spec.schema_, DATA.read_bytes().splitlines(keepends=True)
    assert schema is not None
    validator, profile = SchemaValidator(schema, scratch), Profile(schema, DATASET.spec.checks)
    (scratch / "object").write_bytes(b"".join(lines[: rows + 1]))
    for batch in read_batches(scratch / "object", "a.csv", "csv", MalformedRows()):
        validator.add("a.csv", batch)
        profile.add(batch)
    validator.end_object("a.csv")
    return validator.result(), profile


@pytest.mark.parametrize(
    ("rows", "rejected_for"),
    [
        pytest.param(ROWS, [], id="all of the data passes"),
        pytest.param(ROWS - 300, [], id="the data without the last 300 rows passes"),
        pytest.param(
            900,
            [
                "rows: 900, must be at least 1000",
                "rows: -62.2% against the current snapshot, must be at least -20%",
                'column "black": DifferenceInProportionsOfLabels 0.24 for group "yes", must be at most 0.2',
            ],
            id="900 rows are rejected",
        ),
    ],
)
def test_the_data_passes_the_schema_and_the_checks(tmp_path: Path, rows: int, rejected_for: list[str]) -> None:
    """The bounds of the checks mean something for this data: it passes, but narrowly."""
    (tmp_path / "baseline").mkdir()
    checks = DATASET.spec.checks
    _, whole = validate_and_profile(tmp_path / "baseline", ROWS)
    baseline = Baseline.model_validate(whole.document("sha256:0", "csv"))
    violations, profile = validate_and_profile(tmp_path, rows)
    results = evaluate(checks, CheckInputs(profile, baseline, None, datetime.now(UTC)))
    assert violations is None
    assert rejections(checks, results) == rejected_for
    assert warnings(checks, results) == []
    if rows == ROWS:
        values = [result.value for result in results]
        assert values == pytest.approx([2381, 0, 1, 0, 0, 0.191, 0.715], abs=0.0005)


def test_the_objects_refer_to_each_other() -> None:
    assert [dataset.ref.name for dataset in RUN.spec.datasets] == ["applications"]
    assert SERVICE.spec.model.name == RUN.spec.output.model == "approval"
    source = DATASET.spec.source.s3
    assert source is not None
    assert source.secret_ref is not None
    assert source.secret_ref.name == manifest("Secret")["metadata"]["name"] == "s3"


def test_the_versions_to_roll_out_have_the_gates_of_the_first_version() -> None:
    """Gates let the slow and the wrong version through; a person's approval starts their rollouts."""
    first = RUN.spec.output
    outputs = {name: TrainingRun.model_validate(body).spec.output for name, body in ROLLOUTS.items()}
    assert {name: output.version_template.approval.value for name, output in outputs.items()} == {
        "second": "Automatic",
        "slow": "Manual",
        "wrong": "Manual",
    }
    for output in outputs.values():
        assert output.version_template.gates == first.version_template.gates
        assert (output.model, output.format) == (first.model, first.format)


def test_the_rollout_checks_what_the_gates_cannot_measure() -> None:
    rollout = SERVICE.spec.rollout
    assert rollout is not None
    assert [step.weight for step in rollout.steps] == [20, 50]
    assert rollout.analysis is not None
    (check,) = rollout.analysis.checks
    assert check.job is not None
    assert check.job.command is not None
    (script,) = (word for word in check.job.command if word.endswith(".py"))
    assert (MORTGAGE / Path(script).name).exists()
    assert check.job.image == RUN.spec.trainer.image
