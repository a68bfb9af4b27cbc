"""The API server validates names, defaults and unknown fields of all kinds, and documents every field."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.steps import StepError
from modelops.api.crds import KINDS
from modelops.api.kinds import GROUP, Kind
from support.cluster.admission import (
    DEPTH,
    KERNEL,
    KEY,
    MINIMAL_SPECS,
    NAMESPACE,
    ORIGIN_DATASET,
    RATE,
    TRAIN_CHANNEL,
    changed,
    columns,
    minimal,
    sweep,
)
from support.cluster.api_server import ApiServer, Body, causes, message
from support.cluster.real_cluster import RealCluster


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("Dataset", "d" * 53, "metadata.name must be at most 52 characters"),
        ("TrainingRun", "t" * 53, "metadata.name must be at most 52 characters"),
        ("InferenceService", "s" * 53, "metadata.name must be at most 52 characters"),
        ("ModelVersion", "v" * 64, "metadata.name must be at most 63 characters"),
        *((kind, "a.b", "metadata.name must be a DNS label") for kind in MINIMAL_SPECS),
    ],
)
def test_a_name_that_children_cannot_have_is_rejected(api: ApiServer, kind: str, name: str, says: str) -> None:
    """A name that is valid for the object but too long for its Job or Service is rejected at once."""
    messages = causes(api.create(minimal(kind, name), NAMESPACE))
    assert len(messages) == 1, messages
    assert says in messages[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Dataset", "d" * 52), ("TrainingRun", "t" * 52), ("InferenceService", "s" * 52), ("ModelVersion", "v" * 63)],
)
def test_the_longest_name_is_admitted(api: ApiServer, kind: str, name: str) -> None:
    """The limit is the documented one."""
    answer = api.create(minimal(kind, name), NAMESPACE)
    assert answer.status_code == 201, message(answer)


@pytest.mark.parametrize("kind", MINIMAL_SPECS)
def test_an_object_without_a_spec_is_rejected(api: ApiServer, kind: str) -> None:
    """An object without a spec is always a mistake."""
    body = {key: value for key, value in minimal(kind).items() if key != "spec"}
    assert causes(api.create(body, NAMESPACE)) == ["spec: Required value"]


UNKNOWN_FIELDS = [
    ("Dataset", "spec.sourse", {}),
    ("Dataset", "spec.source.s3.buket", "data"),
    ("Dataset", "spec.pod.runAsRoot", True),
    ("TrainingRun", "spec.trainer.cmd", ["train"]),
    ("TrainingRun", "spec.retries.pause", "1s"),
    ("ModelVersion", "spec.artifact.sha256", "a"),
    ("ModelVersion", "spec.origin.imported.from", "a"),
    ("InferenceService", "spec.canary", {}),
    ("InferenceService", "spec.replicas.maximum", 3),
]


@pytest.mark.parametrize(("kind", "path", "value"), UNKNOWN_FIELDS)
def test_a_misspelt_field_is_rejected_by_name(api: ApiServer, kind: str, path: str, value: Any) -> None:
    """Kubectl requests strict validation: an unknown field is rejected instead of being dropped silently."""
    answer = api.create(changed(minimal(kind), {path: value}), NAMESPACE)
    assert answer.status_code == 400, message(answer)
    assert f'unknown field "{path}"' in message(answer)


@pytest.mark.parametrize(("kind", "path", "value"), UNKNOWN_FIELDS)
def test_a_field_of_another_release_is_dropped_without_strict_validation(
    api: ApiServer, kind: str, path: str, value: Any
) -> None:
    """An object of a client of another release is admitted, and its unknown fields are dropped."""
    answer = api.create(changed(minimal(kind), {path: value}), NAMESPACE, unknown="Ignore")
    assert answer.status_code == 201, message(answer)
    inner = answer.json()
    for field in path.split(".")[:-1]:
        inner = inner.get(field, {})
    assert path.rsplit(".", 1)[1] not in inner


POD = {"nodeSelector": {}, "tolerations": [], "imagePullSecrets": [], "runAsUser": 65532}
DEFAULTS: dict[str, Body] = {
    "Dataset": {
        "source": {"s3": {"bucket": "data", "prefix": ""}},
        "interval": "5m",
        "settle": "30s",
        "suspend": False,
        "probe": {"maxObjects": 10000},
        "format": {"type": "csv"},
        "checks": [],
        "pod": POD,
    },
    "TrainingRun": {
        "datasets": [],
        "parameters": {},
        "trainer": {"image": "trainer:1", "command": ["train"], "args": [], "env": []},
        "pod": POD,
        "workers": {"count": 1, "framework": "plain", "processesPerWorker": 1},
        "retries": {"limit": 0, "backoff": "10s", "nonRetryableExitCodes": []},
        "ttlAfterFinished": "1h",
        "rerunOn": [],
        "rerun": {"timeZone": "UTC", "inFlight": "Finish"},
        "cache": {"mode": "Reuse", "nonce": ""},
        "output": {
            "model": "approval",
            "format": "sklearn",
            "publishTimeout": "1h",
            "registration": "Always",
            "versionTemplate": {"gates": [], "approval": "Automatic"},
        },
    },
    "ModelVersion": {
        **MINIMAL_SPECS["ModelVersion"],
        "origin": {"imported": {"source": "a notebook"}, "datasets": [], "parameters": {}, "metrics": {}},
        "gates": [],
        "approval": "Automatic",
    },
    "InferenceService": {
        "model": {"name": "approval"},
        "server": {"runtime": "sklearn"},
        "replicas": {"min": 1},
        "limits": {},
        "pod": {**POD, "volumes": []},
    },
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_smallest_valid_object_has_the_documented_defaults(api: ApiServer, kind: type[Kind]) -> None:
    """An object without optional fields gets the documented defaults, and no status: only the operator writes one."""
    answer = api.create(minimal(kind.__name__), NAMESPACE)
    assert answer.status_code == 201, message(answer)
    created = answer.json()
    assert kind.model_validate(created).spec.wire() == DEFAULTS[kind.__name__]  # type: ignore[attr-defined]
    assert "status" not in created


VALID = [
    ("Dataset", {"spec.interval": "1s", "spec.settle": "0s"}),
    ("Dataset", {"spec.interval": "1h30m", "spec.source.s3.endpoint": "https://s3.example/"}),
    ("Dataset", {"spec.source.s3.bucket": "my.data-3"}),
    ("Dataset", {"spec.schema": columns({"name": "a", "type": "number", "min": 1, "max": 1})}),
    ("Dataset", {"spec.schema": columns({"name": "a", "type": "integer", "min": -0.5})}),
    ("TrainingRun", {"spec.datasets": [TRAIN_CHANNEL], "spec.rerunOn": ["DatasetChange"]}),
    ("TrainingRun", {"spec.timeout": "1s", "spec.retries.limit": 100, "spec.retries.nonRetryableExitCodes": [1, 255]}),
    ("TrainingRun", {"spec.trainer.env": [{"name": "A"}, {"name": "B", "valueFrom": {"secretKeyRef": KEY}}]}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "1"}}}),
    ("TrainingRun", {"spec.output.model": "m" * 54, "spec.cache.mode": "Ignore"}),
    ("TrainingRun", {"spec.sweep": sweep(RATE, DEPTH, KERNEL, parallelism=100, maxTrials=500, seed=2**31 - 1)}),
    ("TrainingRun", {"spec.sweep": sweep({**RATE, "step": 0.1}, algorithm="grid", earlyStopping={"median": {}})}),
    (
        "TrainingRun",
        {"spec.pod.affinity": {"nodeAffinity": {}}, "spec.pod.tolerations": [{"key": "gpu", "operator": "Exists"}]},
    ),
    ("ModelVersion", {"spec.gates": [{"metric": "a", "min": 1, "max": 1}, {"metric": "a", "max": 2}]}),
    ("ModelVersion", {"spec.origin.datasets": [ORIGIN_DATASET], "spec.origin.metrics": {"a": 1, "b": 0.5}}),
    ("InferenceService", {"spec.model": {"version": "approval-1"}}),
    ("InferenceService", {"spec.model.channel": "Approved", "spec.replicas.min": 1000}),
    ("InferenceService", {"spec.server": {"container": {"image": "server:1", "port": 65535}}}),
    ("InferenceService", {"spec.server.resources": {"limits": {"cpu": "500m"}}}),
]


@pytest.mark.parametrize(("kind", "changes"), VALID, ids=lambda value: str(value)[:60])
def test_values_within_the_documented_bounds_are_admitted(api: ApiServer, kind: str, changes: dict[str, Any]) -> None:
    """Admission rejects only mistakes: the bounds are the documented ones."""
    answer = api.create(changed(minimal(kind), changes), NAMESPACE)
    assert answer.status_code == 201, message(answer)


LONG_KEY = "k" * 400
EXTREME = [
    ("Dataset", {"spec.settle": "9" * 30 + "h"}),
    ("Dataset", {"spec.interval": "2562047h", "spec.settle": "2562047h"}),
    ("Dataset", {"spec.interval": "0.5h0.25m1000ms"}),
    ("Dataset", {"spec.pod.nodeSelector": {LONG_KEY: "a"}}),
    ("Dataset", {"spec.pod.runAsUser": 10**15}),
    ("Dataset", {"spec.pod.runAsUser": 10**25}),
    ("Dataset", {"spec.pod.runAsUser": 1000.0}),
    ("Dataset", {"spec.pod.tolerations": [{"key": "gpu", "tolerationSeconds": 10**25}]}),
    ("Dataset", {"spec.schema": columns({"name": "a", "type": "number", "min": 10**25})}),
    ("Dataset", {"spec.schema": columns({"name": "a", "type": "number", "max": 1e308})}),
    ("Dataset", {"spec.source.s3.prefix": "Zürich\n\t\u0000/"}),
    ("Dataset", {"spec.source.s3.prefix": "🏠" * 512}),
    ("Dataset", {"spec.interval": None, "spec.format": None, "spec.pod": None}),
    ("Dataset", {"metadata.annotations": {"a": "b"}, "metadata.labels": {"a": ""}}),
    ("TrainingRun", {"spec.parameters": {LONG_KEY: "1"}}),
    ("TrainingRun", {"spec.parameters": {"": "1"}}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {LONG_KEY: 1}}}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {"cpu": 10**25}}}),
    ("TrainingRun", {"spec.timeout": "9" * 30 + "h"}),
    ("TrainingRun", {"spec.output.publishTimeout": "9" * 30 + "h"}),
    ("TrainingRun", {"spec.output.versionTemplate.gates": [{"metric": "a", "min": -1e308, "max": 1e308}]}),
    ("ModelVersion", {"spec.origin.metrics": {LONG_KEY: 1}}),
    ("ModelVersion", {"spec.origin.parameters": {LONG_KEY: "1"}}),
    ("ModelVersion", {"spec.artifact.bytes": 2**63 - 1}),
    ("ModelVersion", {"spec.artifact.bytes": 10**25}),
    ("InferenceService", {"spec.server.resources": {"limits": {LONG_KEY: "1"}}}),
    ("InferenceService", {"spec.pod.nodeSelector": {LONG_KEY: "a"}}),
]


@pytest.mark.parametrize(("kind", "changes"), EXTREME, ids=lambda value: str(value)[:60])
def test_every_admitted_object_can_be_read_by_the_operator(api: ApiServer, kind: str, changes: dict[str, Any]) -> None:
    """An object with extreme values is either rejected with a message, or valid for the operator too.

    An object that only the operator rejects would stop the reconciles of all objects.
    """
    answer = api.create(changed(minimal(kind), changes), NAMESPACE)
    if answer.status_code == 201:
        (model,) = [candidate for candidate in KINDS if candidate.__name__ == kind]
        parsed = model.model_validate_json(json.dumps(answer.json()))
        assert parsed.metadata.name == "one"
    else:
        assert answer.status_code in (400, 422), message(answer)
        assert message(answer)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_short_name_belongs_to_no_other_kind(cluster: RealCluster, kind: type[Kind]) -> None:
    """With an ambiguous short name kubectl would show objects of another kind."""
    for name in kind.short_names:
        assert cluster.kubectl("explain", name).split("KIND:")[1].split()[0] == kind.__name__


def test_kubectl_shows_the_message(cluster: RealCluster) -> None:
    """A person who applies a mistake reads what to write instead, not an error of the operator."""
    body = changed(minimal("Dataset"), {"spec.interval": "10ms"})
    with pytest.raises(StepError, match=r'The Dataset "one" is invalid: .*interval must be at least 1s'):
        cluster.kubectl.apply(json.dumps(body))


def _undocumented(schema: Body, path: str) -> Iterator[str]:
    """Yield the paths of the properties without a description."""
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("description"):
            yield f"{path}.{name}"
        yield from _undocumented(inner, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _undocumented(inner, path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_documented_in_the_cluster(api: ApiServer, kind: type[Kind]) -> None:
    """`kubectl explain` documents every field of spec and status of the installed definition."""
    (served,) = api.definition(f"{kind.plural}.{GROUP}")["spec"]["versions"]
    schema = served["schema"]["openAPIV3Schema"]
    assert schema["description"]
    assert [path for part in ("spec", "status") for path in _undocumented(schema["properties"][part], part)] == []


@pytest.mark.parametrize(
    "path",
    ["dataset.spec.settle", "trainingrun.spec.trainer.env", "mv.spec.gates", "inferenceservice.spec.server.container"],
)
def test_kubectl_explains_a_field(cluster: RealCluster, path: str) -> None:
    """People look for documentation in kubectl first."""
    text = cluster.kubectl("explain", path)
    assert "DESCRIPTION:" in text
    assert "<empty>" not in text
