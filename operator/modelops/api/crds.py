"""Generator of the CustomResourceDefinitions: `python -m modelops.api.crds DIRECTORY`."""

import sys
from pathlib import Path
from typing import Any

import yaml

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import GROUP, VERSION, Kind
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun

KINDS: tuple[type[Kind], ...] = (Dataset, TrainingRun, ModelVersion, InferenceService)
_NOT_STRUCTURAL = ("title", "$defs", "propertyNames", "discriminator")


def crd(kind: type[Kind]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    singular = kind.__name__.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.__name__,
                "listKind": f"{kind.__name__}List",
                "plural": kind.plural,
                "singular": singular,
                "shortNames": list(kind.short_names),
                "categories": ["modelops"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_printer_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": _root_schema(kind)},
                }
            ],
        },
    }


def _printer_column(column: Any) -> dict[str, Any]:
    required = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return required | ({"priority": column.priority} if column.priority else {})


def _root_schema(kind: type[Kind]) -> dict[str, Any]:
    whole = kind.model_json_schema(by_alias=True)
    properties = {name: structural(whole["properties"][name], whole["$defs"]) for name in ("spec", "status")}
    # An absent status must stay absent: a default would be written into the user's object.
    properties["status"].pop("default", None)
    return {
        "description": whole["description"],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            **properties,
        },
        "x-kubernetes-validations": [
            {
                "rule": f"self.metadata.name.size() <= {kind.name_limit}",
                "message": f"metadata.name must be at most {kind.name_limit} characters: children add a hash to it",
            },
            {
                "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                "message": "metadata.name must be a DNS label: lower-case letters, digits and dashes, and no dots",
            },
        ],
    }


def structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a structural schema, as Kubernetes requires it.

    References are inlined, titles are dropped, and so is `or null`: a field without a value is absent.
    """
    if "$ref" in schema:
        referenced = definitions[schema["$ref"].rsplit("/", 1)[1]]
        schema = {**referenced, **{key: value for key, value in schema.items() if key != "$ref"}}
    if "anyOf" in schema and not schema.get("x-kubernetes-int-or-string"):
        (only,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return structural({**only, **rest}, definitions)
    result = {key: value for key, value in schema.items() if key not in _NOT_STRUCTURAL}
    if "const" in result:
        result["enum"] = [result.pop("const")]
        result.setdefault("type", "string")
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in result:
            # Kubernetes uses an older draft of JSON Schema, where this is a boolean beside the bound.
            result |= {bound: result[exclusive], exclusive: True}
    if result.get("default", "") is None:
        del result["default"]
    if "properties" in result:
        result["properties"] = {name: structural(sub, definitions) for name, sub in result["properties"].items()}
    if "items" in result:
        result["items"] = structural(result["items"], definitions)
    if isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = structural(result["additionalProperties"], definitions)
    elif result.get("additionalProperties") is True:
        del result["additionalProperties"]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    return result


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def main(directory: Path) -> None:
    """Write every definition to `directory`, one file per kind."""
    directory.mkdir(exist_ok=True)
    for kind in KINDS:
        text = yaml.dump(crd(kind), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        (directory / f"{kind.plural}.yaml").write_text(
            "# Generated by `make crds` from operator/modelops/api.\n" + text
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
