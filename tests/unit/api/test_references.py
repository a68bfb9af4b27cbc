"""References have the pattern of what they name, so that no text can lead to another object."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from modelops.api.crds import KINDS, crd
from modelops.api.types import ChannelName, DataKey, Hostname, Name, ObjectName, Uid
from support.cluster.admission import changed, minimal
from support.references import CHANNEL, HOST, KEY, LABEL, OBJECT, REFERENCES, UID, Reference, Sort

SORTS = {OBJECT: ObjectName, LABEL: Name, KEY: DataKey, HOST: Hostname, CHANNEL: ChannelName, UID: Uid}
MODELS = {kind.__name__: kind for kind in KINDS}
TEXTS = {
    "source.pvc.path",
    "source.s3.prefix",
    "source.s3.region",
    "schema.columns[].name",
    "schema.columns[].enum[]",
    "schema.label.column",
    "schema.label.positive[]",
    "schema.protected[]",
    "spec.checks[].column",
    "checks[].allowedValues[]",
    "checks[].bias.group",
    "pod.nodeSelector{}",
    "tolerations[].key",
    "tolerations[].value",
    "status.snapshot.changeToken",
    "checkedWith",
    "objectVersions[].key",
    "objectVersions[].versionId",
    "objectVersions[].etag",
    "examples[]",
    "reason",
    "message",
    "problem",
    "conditions[].type",
    "lastHandledRefresh",
    "lastHandledRetry",
    "lastHandledStop",
    "lastHandledRequests.promote",
    "lastHandledRequests.promoteFull",
    "lastHandledRequests.abort",
    "lastHandledRequests.retry",
    "lastHandledRequests.pause",
    # Names of users, which may be any text.
    "lastHandledRequests.promoteBy",
    "lastHandledRequests.promoteFullBy",
    "lastHandledRequests.abortBy",
    "lastHandledRequests.retryBy",
    "lastHandledRequests.pauseBy",
    "lastHandledRequests.resumeBy",
    "parameters{}",
    "components{}",
    "command[]",
    "args[]",
    "env[].value",
    "rerun.schedule",
    "rerun.timeZone",
    "sweep.parameters[].name",
    "sweep.parameters[].values[]",
    "objective.metric",
    "gates[].metric",
    "cache.nonce",
    "status.artifact.image",
    "origin.image",
    "origin.imported.source",
    "origin.revision",
    "approval.by",
    "volumeMounts[].subPath",
    "items[].path",
    "warmUp.requests[].body",
    "prometheus.query",
    "status.url",
    "revision",
    "attempt",
    "analysis.checks[].name",
}
"""Ends of the paths of strings that name nothing in Kubernetes, such as messages, columns and arguments."""


def strings(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every string below a schema that is neither an enumeration nor a time."""
    if schema.get("type") == "string" and not {"enum", "format"} & set(schema):
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from strings(inner, f"{path}.{name}")
    for suffix, inner in (("[]", schema.get("items")), ("{}", schema.get("additionalProperties"))):
        if isinstance(inner, dict):
            yield from strings(inner, path + suffix)


def fields(part: str) -> dict[str, dict[str, Any]]:
    """Return the strings of all kinds below `spec` or `status`, by path."""
    return {
        path: schema
        for kind in KINDS
        for path, schema in strings(
            crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part],
            f"{kind.__name__}.{part}",
        )
    }


SPEC, STATUS = fields("spec"), fields("status")
NAMING = {sort.pattern for sort in SORTS}


@pytest.mark.parametrize("path", [path for path, schema in {**SPEC, **STATUS}.items() if "pattern" not in schema])
def test_a_string_without_a_pattern_names_nothing(path: str) -> None:
    """A new field that names an object needs the pattern of what it names: it could name anything else."""
    assert any(path == text or path.endswith(f".{text}") for text in TEXTS), path


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_a_reference_has_the_pattern_of_what_it_names(reference: Reference) -> None:
    """The API server refuses every other text."""
    schema = SPEC[str(reference)]
    assert (schema["pattern"], schema["maxLength"]) == (reference.sort.pattern, reference.sort.limit)


def test_every_field_with_such_a_pattern_is_in_the_table() -> None:
    """A new reference gets the cases of the table too."""
    assert {path for path, schema in SPEC.items() if schema.get("pattern") in NAMING} == set(map(str, REFERENCES))


@pytest.mark.parametrize(("sort", "type_"), SORTS.items(), ids=lambda value: getattr(value, "pattern", ""))
def test_names_are_told_from_other_texts(sort: Sort, type_: Any) -> None:
    """Model and definition agree, and both are as strict as Kubernetes: `a/b`, `..` and the like are refused."""
    adapter: TypeAdapter[str] = TypeAdapter(type_)
    for name in (*sort.names, "a" * sort.limit):
        assert adapter.validate_python(name) == name
        assert re.search(sort.pattern, name)
    for text in (*sort.others, "a" * (sort.limit + 1)):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_the_operator_reads_names_and_nothing_else(reference: Reference) -> None:
    """An object from before the definition had its pattern leads to no request for what it names."""
    model = MODELS[reference.kind]
    for text in (*reference.sort.names, *reference.sort.others):
        changes = {f"spec.{path}": value for path, value in reference.named(text).items()}
        body = changed(minimal(reference.kind), changes)
        if text in reference.sort.names:
            model.parse(body)
        else:
            with pytest.raises(ValidationError):
                model.parse(body)
