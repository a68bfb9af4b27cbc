"""The example's manifests are what the API takes, and fit each other and the data."""

import csv
from pathlib import Path

import pytest
import yaml

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.trainingrun import TrainingRun

MORTGAGE = Path(__file__).parents[3] / "examples" / "mortgage"
KINDS = {"Dataset": Dataset, "TrainingRun": TrainingRun, "InferenceService": InferenceService}
OBJECTS = [
    body for file in sorted((MORTGAGE / "manifests").glob("*.yaml")) for body in yaml.safe_load_all(file.read_text())
]


def parsed(kind):
    (body,) = (body for body in OBJECTS if body["kind"] == kind)
    return KINDS[kind].model_validate(body)


def test_the_namespace_comes_first_and_is_restricted():
    assert OBJECTS[0]["kind"] == "Namespace"
    assert OBJECTS[0]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert {body["metadata"]["namespace"] for body in OBJECTS[1:]} == {"mortgage"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_one_of_the_api(kind):
    """A misspelt field would be dropped without a word."""
    (body,) = (body for body in OBJECTS if body["kind"] == kind)
    known = KINDS[kind].model_validate(body).spec.model_dump(mode="json", by_alias=True)
    assert not list(unknown(body["spec"], known, "spec"))


def unknown(given, known, path):
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{path}.{name}"
            else:
                yield from unknown(value, known[name], f"{path}.{name}")
    elif isinstance(given, list):
        for one, other in zip(given, known, strict=True):
            yield from unknown(one, other, path)


def test_the_schema_names_every_column_of_the_data():
    with (MORTGAGE / "data/applications.csv").open() as file:
        header = next(csv.reader(file))
    assert [column.name for column in parsed("Dataset").spec.schema_.columns] == header[1:]


def test_they_refer_to_each_other():
    run, service = parsed("TrainingRun"), parsed("InferenceService")
    assert [one.ref.name for one in run.spec.datasets] == ["applications"]
    assert service.spec.model.name == run.spec.output.model == "approval"
    (secret,) = (body for body in OBJECTS if body["kind"] == "Secret")
    assert parsed("Dataset").spec.source.s3.secret_ref.name == secret["metadata"]["name"] == "s3"
