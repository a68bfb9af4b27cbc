"""References of the API: every field of a spec that names an object, a key or a host, and texts that are no such name.

Pure. Unit tests hold the models and definitions to this table, and tests of admission take its cases to the API server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
NAME = "<name>"
"""Place of the name in the changes of a reference."""


@dataclass(frozen=True)
class Sort:
    """What a reference names: texts that are such a name, and texts that are not."""

    pattern: str
    """Pattern of the names, as Kubernetes has it."""
    limit: int
    """Length of the longest name in characters."""
    names: tuple[str, ...]
    others: tuple[str, ...]


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NEVER = (
    "",
    "a/b",
    "/a",
    ".",
    "..",
    "../a",
    "../../other/secrets/x",
    "a%2Fb",
    "%2e%2e",
    "a b",
    "a\n",
    "a\\b",
    "ä",
    "a?b",
)
_NO_OBJECT = (*_NEVER, "A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b")
OBJECT = Sort(f"^{_LABEL}([.]{_LABEL})*$", 253, ("a", "0", "a-b", "a.b", "a--b.c"), _NO_OBJECT)
LABEL = Sort(f"^{_LABEL}$", 63, ("a", "0", "a-b", "a--b"), (*_NO_OBJECT, "a.b"))
QUEUE = Sort(OBJECT.pattern, 63, OBJECT.names, OBJECT.others)
KEY = Sort(
    "^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
    253,
    ("a", "A_b-c.d", ".a", "a..b", "tls.key", "-"),
    (*_NEVER, "..a", "...", "a:b"),
)
HOST = Sort(f"^([*][.])?{_LABEL}([.]{_LABEL})*$", 253, (*OBJECT.names, "*.a"), (*_NO_OBJECT, "*", "*.*.a", "a.*", "a*"))
MODEL = Sort(LABEL.pattern, 54, LABEL.names, LABEL.others)
CHANNEL = Sort("^[A-Za-z0-9][A-Za-z0-9_-]*$", 63, ("a", "A_b-"), (*_NEVER, "_a", "-a", "a.b"))
UID = Sort("^[-a-zA-Z0-9]+$", 64, ("7f0c2b1e-0000-4000-8000-000000000001",), (*_NEVER, "a_b"))


@dataclass(frozen=True)
class Reference:
    """Field of a spec that names something."""

    kind: str
    path: str
    """Path in the object, with `[]` for each item of a list."""
    sort: Sort
    changes: Json
    """Dotted path in the spec → value: changes of a minimal spec that set the field to NAME."""

    def __str__(self) -> str:
        return f"{self.kind}.{self.path}"

    @property
    def field(self) -> str:
        """The field as the API server's messages name it."""
        return self.path.replace("[]", "[0]")

    def named(self, text: str) -> Json:
        """Return the changes with a text in the place of NAME."""
        return {path: _filled(value, text) for path, value in self.changes.items()}


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, text) for inner in value]
    return text if value == NAME else value


def _pod(kind: str) -> Iterator[Reference]:
    yield Reference(kind, "spec.pod.serviceAccountName", OBJECT, {"pod.serviceAccountName": NAME})
    yield Reference(kind, "spec.pod.priorityClassName", OBJECT, {"pod.priorityClassName": NAME})
    yield Reference(kind, "spec.pod.imagePullSecrets[].name", OBJECT, {"pod.imagePullSecrets": [{"name": NAME}]})


def _environment(kind: str, path: str, changed: str, around: Json | None = None) -> Iterator[Reference]:
    """Yield the references of an environment at `path`, which `changed` sets as a whole, inside `around` if given."""
    for source in ("configMapKeyRef", "secretKeyRef"):
        for field, sort, ref in (
            ("name", OBJECT, {"name": NAME, "key": "a"}),
            ("key", KEY, {"name": "settings", "key": NAME}),
        ):
            env = [{"name": "A", "valueFrom": {source: ref}}]
            changes: Json = {changed: env} if around is None else {changed: _in_check({**around, "env": env})}
            yield Reference(kind, f"{path}[].valueFrom.{source}.{field}", sort, changes)


def _in_check(job: Json) -> Json:
    return {"strategy": "BlueGreen", "analysis": {"checks": [{"name": "a", "job": job}]}}


def _origin(**changes: Any) -> Json:
    dataset = {
        "name": "train",
        "dataset": "data",
        "digest": "sha256:" + "a" * 64,
        "manifest": "s3://store/manifest",
        "versioned": True,
        "objects": 1,
    }
    return {"origin.datasets": [{**dataset, **changes}]}


def _run(**changes: str) -> Json:
    run = {"name": "train", "uid": "1", "inputKey": "sha256:" + "a" * 64}
    return {"origin": {"trainingRun": {**run, **changes}}}


def _volume(**source: Json) -> Json:
    return {"pod.volumes": [{"name": "a", **source}]}


def _file_of(source: str, **of: str) -> Json:
    return _volume(**{source: {**of, "items": [{"key": NAME, "path": "a"}]}})


_ISVC = "InferenceService"
_SECRET: Json = {"s3": {"bucket": "data", "secretRef": {"name": NAME}}}
_CLAIM: Json = {"pvc": {"claimName": NAME}}
_CONTAINER: Json = {"image": "server:1"}
_MOUNTS = [{"name": NAME, "mountPath": "/data"}]
REFERENCES = (
    Reference("Dataset", "spec.source.s3.secretRef.name", OBJECT, {"source": _SECRET}),
    Reference("Dataset", "spec.source.pvc.claimName", OBJECT, {"source": _CLAIM}),
    *_pod("Dataset"),
    Reference("TrainingRun", "spec.datasets[].ref.name", OBJECT, {"datasets": [{"name": "a", "ref": {"name": NAME}}]}),
    Reference("TrainingRun", "spec.datasets[].name", CHANNEL, {"datasets": [{"name": NAME, "ref": {"name": "a"}}]}),
    Reference("TrainingRun", "spec.queueName", QUEUE, {"queueName": NAME}),
    Reference("TrainingRun", "spec.output.model", MODEL, {"output.model": NAME}),
    *_pod("TrainingRun"),
    *_environment("TrainingRun", "spec.trainer.env", "trainer.env"),
    Reference("ModelVersion", "spec.model", LABEL, {"model": NAME}),
    Reference("ModelVersion", "spec.origin.trainingRun.name", OBJECT, _run(name=NAME)),
    Reference("ModelVersion", "spec.origin.trainingRun.uid", UID, _run(uid=NAME)),
    Reference("ModelVersion", "spec.origin.sweep", OBJECT, {"origin.sweep": NAME}),
    Reference("ModelVersion", "spec.origin.datasets[].name", CHANNEL, _origin(name=NAME)),
    Reference("ModelVersion", "spec.origin.datasets[].dataset", OBJECT, _origin(dataset=NAME)),
    Reference("ModelVersion", "spec.origin.datasets[].source.s3.secretRef.name", OBJECT, _origin(source=_SECRET)),
    Reference("ModelVersion", "spec.origin.datasets[].source.pvc.claimName", OBJECT, _origin(source=_CLAIM)),
    Reference(_ISVC, "spec.model.name", LABEL, {"model": {"name": NAME}}),
    Reference(_ISVC, "spec.model.version", OBJECT, {"model": {"version": NAME}}),
    Reference(_ISVC, "spec.server.runtime", LABEL, {"server.runtime": NAME}),
    Reference(_ISVC, "spec.server.volumeMounts[].name", LABEL, {"server.volumeMounts": _MOUNTS}),
    Reference(
        _ISVC,
        "spec.server.container.volumeMounts[].name",
        LABEL,
        {"server": {"container": {**_CONTAINER, "volumeMounts": _MOUNTS}}},
    ),
    *_environment(_ISVC, "spec.server.env", "server.env"),
    *(
        Reference(
            _ISVC,
            reference.path,
            reference.sort,
            {"server": {"container": {**_CONTAINER, "env": reference.changes["env"]}}},
        )
        for reference in _environment(_ISVC, "spec.server.container.env", "env")
    ),
    *_environment(_ISVC, "spec.rollout.analysis.checks[].job.env", "rollout", {"image": "judge:1"}),
    Reference(
        _ISVC,
        "spec.rollout.analysis.checks[].name",
        LABEL,
        {"rollout": {"strategy": "BlueGreen", "analysis": {"checks": [{"name": NAME, "job": {"image": "judge:1"}}]}}},
    ),
    *_pod(_ISVC),
    Reference(_ISVC, "spec.pod.volumes[].name", LABEL, {"pod.volumes": [{"name": NAME, "emptyDir": {}}]}),
    Reference(
        _ISVC,
        "spec.pod.volumes[].persistentVolumeClaim.claimName",
        OBJECT,
        _volume(persistentVolumeClaim={"claimName": NAME}),
    ),
    Reference(_ISVC, "spec.pod.volumes[].configMap.name", OBJECT, _volume(configMap={"name": NAME})),
    Reference(_ISVC, "spec.pod.volumes[].configMap.items[].key", KEY, _file_of("configMap", name="a")),
    Reference(_ISVC, "spec.pod.volumes[].secret.secretName", OBJECT, _volume(secret={"secretName": NAME})),
    Reference(_ISVC, "spec.pod.volumes[].secret.items[].key", KEY, _file_of("secret", secretName="a")),
    Reference(_ISVC, "spec.gateway.parentRefs[].name", OBJECT, {"gateway": {"parentRefs": [{"name": NAME}]}}),
    Reference(
        _ISVC,
        "spec.gateway.parentRefs[].namespace",
        LABEL,
        {"gateway": {"parentRefs": [{"name": "a", "namespace": NAME}]}},
    ),
    Reference(
        _ISVC,
        "spec.gateway.parentRefs[].sectionName",
        OBJECT,
        {"gateway": {"parentRefs": [{"name": "a", "sectionName": NAME}]}},
    ),
    Reference(
        _ISVC, "spec.gateway.hostnames[]", HOST, {"gateway": {"parentRefs": [{"name": "a"}], "hostnames": [NAME]}}
    ),
)
"""Every field of a spec that names an object, a key in it, a part of a Pod, or a host."""
