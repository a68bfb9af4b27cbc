"""The CustomResourceDefinitions in the repository match the models, and the API server accepts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops.api.crds import KINDS, crd, main
from support.checkout import ROOT

CRDS = ROOT / "crds"


def test_the_files_are_up_to_date(tmp_path: Path) -> None:
    """An installation from the repository gets the API that the operator uses. If this fails, run `make crds`."""
    main(tmp_path)
    generated = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {file.name: file.read_text() for file in CRDS.glob("*.yaml")} == generated


def schemas(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from schemas(inner, f"{path}.{name}")
    if "items" in schema:
        yield from schemas(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from schemas(schema["additionalProperties"], f"{path}{{}}")


FIELDS = [
    pytest.param(path, schema, id=path)
    for kind in KINDS
    for path, schema in schemas(
        crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], f"{kind.__name__}.spec"
    )
]


@pytest.mark.parametrize(("path", "schema"), FIELDS)
def test_every_field_is_bounded(path: str, schema: dict[str, Any]) -> None:
    """Without bounds the API server rejects CEL rules as too costly, and a single object could fill etcd."""
    if schema.get("type") == "array":
        assert "maxItems" in schema
        assert "x-kubernetes-list-type" in schema
    if schema.get("type") == "string" and "enum" not in schema:
        assert "maxLength" in schema
    if isinstance(schema.get("additionalProperties"), dict):
        assert "maxProperties" in schema


@pytest.mark.parametrize(("path", "schema"), FIELDS)
def test_an_exclusive_bound_is_a_boolean_beside_its_bound(path: str, schema: dict[str, Any]) -> None:
    """The API server rejects a definition with a number there, and the chart could not be installed."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in schema:
            assert schema[exclusive] is True
            assert bound in schema


@pytest.mark.parametrize(("path", "schema"), FIELDS)
def test_every_field_has_a_description(path: str, schema: dict[str, Any]) -> None:
    """`kubectl explain` documents every field."""
    if not path.endswith(("[]", "{}")):
        assert schema.get("description")


def test_each_file_is_the_definition_of_the_kind_in_its_name() -> None:
    """A misnamed file would install another kind than a reader expects."""
    for kind in KINDS:
        (definition,) = yaml.safe_load_all((CRDS / f"{kind.plural}.yaml").read_text())
        assert definition["spec"]["names"]["kind"] == kind.__name__
