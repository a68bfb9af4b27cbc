"""What the API server refuses before the operator sees it: each mistake by one sentence that names the field."""

import copy
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelops.api.crds import KINDS
from modelops.api.kinds import API_VERSION, GROUP, Kind
from support import real_cluster
from support.api_server import ApiServer, Body, causes, said
from support.real_cluster import RealCluster

_NAMESPACE = "default"
_DIGEST = "sha256:" + "a" * 64
_ABSENT = object()

_MINIMAL: dict[str, Body] = {
    "Dataset": {"source": {"s3": {"bucket": "data"}}},
    "TrainingRun": {
        "trainer": {"image": "trainer:1", "command": ["train"]},
        "output": {"model": "approval", "format": "sklearn"},
    },
    "ModelVersion": {
        "model": "approval",
        "artifact": {"uri": "s3://models/approval/", "digest": _DIGEST, "format": "sklearn", "bytes": 1},
        "origin": {"imported": {"source": "a notebook"}},
    },
    "InferenceService": {"model": {"name": "approval"}, "server": {"runtime": "sklearn"}},
}
_SHORT_EXAMPLES = {
    "schema": {"columns": [{"name": "lvr", "type": "number"}]},
    "dataset": {"name": "train", "ref": {"name": "data"}},
    "origin": {
        "name": "train",
        "dataset": "data",
        "digest": _DIGEST,
        "manifest": "s3://store/manifest",
        "versioned": True,
        "objects": 1,
    },
    "container": {"image": "server:1"},
}


@dataclass(frozen=True)
class ApplyRefusedError:
    """A minimal good object with one mistake in it, and words of the sentence that refuses it."""

    mistake: str
    kind: str
    path: str
    value: Any
    says: tuple[str, ...] = field(default=())
    beside: Body = field(default_factory=dict)
    """What else the spec has."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.mistake}"

    @property
    def body(self) -> Body:
        """The bad object."""
        beside = {f"spec.{path}": value for path, value in self.beside.items()}
        return _with(_object(self.kind), {f"spec.{self.path}": self.value, **beside})


def _object(kind: str, name: str = "one") -> Body:
    metadata = {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(_MINIMAL[kind])}


def _with(body: Body, changes: dict[str, Any]) -> Body:
    """The object with values at dotted paths. What leads there is made; _ABSENT takes away."""
    for path, value in changes.items():
        *way, last = path.split(".")
        inner = body
        for step in way:
            inner = inner.setdefault(step, {})
        if value is _ABSENT:
            inner.pop(last, None)
        else:
            inner[last] = value
    return body


def _columns(*columns: Body) -> Body:
    return {"columns": list(columns)}


def _dataset(mistake: str, path: str, value: Any, *says: str, beside: Body | None = None) -> ApplyRefusedError:
    return ApplyRefusedError(mistake, "Dataset", path, value, says, beside or {})


def _bias(metric: str) -> Body:
    return {"column": "race", "bias": {"metric": metric, "max": 0.1}}


def _run(mistake: str, path: str, value: Any, *says: str) -> ApplyRefusedError:
    return ApplyRefusedError(mistake, "TrainingRun", path, value, says)


def _version(mistake: str, path: str, value: Any, *says: str) -> ApplyRefusedError:
    return ApplyRefusedError(mistake, "ModelVersion", path, value, says)


def _service(mistake: str, path: str, value: Any, *says: str) -> ApplyRefusedError:
    return ApplyRefusedError(mistake, "InferenceService", path, value, says)


def _env(*variables: Body) -> list[Body]:
    return list(variables)


def _sweep(*parameters: Body, **more: Any) -> Body:
    return {"parameters": list(parameters), "objective": {"metric": "auc"}, **more}


_KEY = {"name": "settings", "key": "a"}
_RATE: Body = {"name": "rate", "type": "double", "min": 0.1, "max": 1}
_DEPTH: Body = {"name": "depth", "type": "int", "min": 1, "max": 9}
_KERNEL: Body = {"name": "kernel", "type": "categorical", "values": ["linear", "rbf"]}
_BAD = [
    _dataset("no source", "source", _ABSENT, "spec.source: Required value"),
    _dataset("a source of nothing", "source", {}, "spec.source", "set exactly one of s3 and pvc"),
    _dataset("two sources", "source.pvc", {"claimName": "data"}, "spec.source", "set exactly one of s3 and pvc"),
    _dataset("a path out of the claim", "source", {"pvc": {"claimName": "data", "path": "a/../.."}},
             "spec.source.pvc", "no . and no .."),
    _dataset("an absolute path", "source", {"pvc": {"claimName": "data", "path": "/data"}},
             "spec.source.pvc", "no slash"),
    _dataset("a claim without a name", "source", {"pvc": {"path": "a"}}, "spec.source.pvc.claimName: Required value"),
    _dataset("a negative probe", "probe.maxObjects", -1, "spec.probe.maxObjects"),
    _dataset("a check of nothing", "checks", [{}], "spec.checks[0]", "set exactly one of"),
    _dataset("a check of two things", "checks", [{"rows": {"min": 1}, "rowsChange": {"min": -0.1}}],
             "spec.checks[0]", "set exactly one of"),
    _dataset("a check without its column", "checks", [{"completeness": {"min": 0.9}}], "spec.checks[0]", "column goes"),
    _dataset("a check with a column too many", "checks", [{"column": "a", "rows": {"min": 1}}],
             "spec.checks[0]", "column goes"),
    _dataset("a check without a bound", "checks", [{"rows": {}}], "spec.checks[0].rows", "needs a bound"),
    _dataset("a share above one", "checks", [{"column": "a", "completeness": {"min": 2}}],
             "spec.checks[0].completeness.min", "less than or equal to 1"),
    _dataset("a drift that nothing keeps", "checks", [{"column": "a", "drift": {"max": 0}}],
             "spec.checks[0].drift.max"),
    _dataset("fresh within no time", "checks", [{"freshWithin": "0s"}], "spec.checks[0]", "at least 1s"),
    _dataset("bias of what is not protected", "checks", [_bias("ClassImbalance")],
             "needs its column in schema.protected"),
    _dataset("bias against no label", "schema", {"protected": ["race"]}, "needs schema.label", beside={
        "checks": [_bias("KLDivergence")]}),
    _dataset("bias against no favourable label", "schema", {"protected": ["race"], "label": {"column": "y"}},
             "needs schema.label.positive", beside={"checks": [_bias("DifferenceInProportionsOfLabels")]}),
    _dataset("no bucket", "source.s3.bucket", _ABSENT, "spec.source.s3.bucket: Required value"),
    _dataset("a bucket in capitals", "source.s3.bucket", "Data", "spec.source.s3.bucket", "should match"),
    _dataset("a bucket with an underscore", "source.s3.bucket", "my_data", "spec.source.s3.bucket", "should match"),
    _dataset("a bucket of two letters", "source.s3.bucket", "ab", "spec.source.s3.bucket", "should match"),
    _dataset("a bucket of 64 letters", "source.s3.bucket", "a" * 64, "spec.source.s3.bucket"),
    _dataset("a bucket with its scheme", "source.s3.bucket", "s3://data", "spec.source.s3.bucket", "should match"),
    _dataset("a prefix too long", "source.s3.prefix", "p" * 513, "spec.source.s3.prefix: Too long"),
    _dataset("an endpoint without a scheme", "source.s3.endpoint", "s3:8333", "spec.source.s3.endpoint"),
    _dataset("an endpoint with a path", "source.s3.endpoint", "http://s3:8333/data", "spec.source.s3.endpoint"),
    _dataset("an endpoint that is no URL of HTTP", "source.s3.endpoint", "ftp://s3", "spec.source.s3.endpoint"),
    _dataset("an empty region", "source.s3.region", "", "spec.source.s3.region"),
    _dataset("a Secret without a name", "source.s3.secretRef", {}, "spec.source.s3.secretRef.name: Required value"),
    _dataset("an empty Secret's name", "source.s3.secretRef", {"name": ""}, "spec.source.s3.secretRef.name"),
    _dataset("an interval that is no duration", "interval", "soon", "spec.interval", "should match"),
    _dataset("an interval without a unit", "interval", "5", "spec.interval", "should match"),
    _dataset("an interval in days", "interval", "1d", "spec.interval", "should match"),
    _dataset("an interval that is a number", "interval", 5, "spec.interval", "must be of type string"),
    _dataset("a negative interval", "interval", "-5m", "spec.interval", "should match"),
    _dataset("an interval too short", "interval", "999ms", "interval must be at least 1s"),
    _dataset("an interval of nothing", "interval", "0s", "interval must be at least 1s"),
    _dataset("an endless interval", "interval", "9" * 30 + "h", "interval"),
    _dataset("a settle that is no duration", "settle", "30", "spec.settle", "should match"),
    _dataset("an endless settle", "settle", "9" * 30 + "h", "settle"),
    _dataset("a suspend in words", "suspend", "yes", "spec.suspend", "must be of type boolean"),
    _dataset("an unknown format", "format.type", "xlsx", "spec.format.type: Unsupported value", '"csv"', '"parquet"'),
    _dataset("too many columns", "schema", _columns(*({"name": f"c{n}", "type": "number"} for n in range(257))),
             "spec.schema.columns: Too many"),
    _dataset("a column twice", "schema", _columns({"name": "a", "type": "number"}, {"name": "a", "type": "string"}),
             "spec.schema.columns[1]: Duplicate value"),
    _dataset("a column without a name", "schema", _columns({"type": "number"}),
             "spec.schema.columns[0].name: Required value"),
    _dataset("a column with an empty name", "schema", _columns({"name": "", "type": "number"}),
             "spec.schema.columns[0].name"),
    _dataset("a column without a type", "schema", _columns({"name": "a"}),
             "spec.schema.columns[0].type: Required value"),
    _dataset("a column of an unknown type", "schema", _columns({"name": "a", "type": "float"}),
             "spec.schema.columns[0].type: Unsupported value", '"number"'),
    _dataset("a column's min above its max", "schema", _columns({"name": "a", "type": "number", "min": 2, "max": 1}),
             "spec.schema.columns[0]", "min must not be greater than max"),
    _dataset("a min of a string", "schema", _columns({"name": "a", "type": "string", "min": 2}),
             "spec.schema.columns[0]", "min and max need type number or integer"),
    _dataset("a max of a boolean", "schema", _columns({"name": "a", "type": "boolean", "max": 2}),
             "spec.schema.columns[0]", "min and max need type number or integer"),
    _dataset("a min in words", "schema", _columns({"name": "a", "type": "number", "min": "0"}),
             "spec.schema.columns[0].min", "must be of type number"),
    _dataset("an unknown onViolation", "schema", _SHORT_EXAMPLES["schema"] | {"onViolation": "Ignore"},
             "spec.schema.onViolation: Unsupported value", '"Reject"', '"Warn"'),
    _dataset("root", "pod.runAsUser", 0, "spec.pod.runAsUser", "greater than or equal to 1"),
    _dataset("an unknown toleration operator", "pod.tolerations", [{"operator": "Maybe"}],
             "spec.pod.tolerations[0].operator: Unsupported value"),
    _dataset("a pull Secret twice", "pod.imagePullSecrets", [{"name": "a"}, {"name": "a"}],
             "spec.pod.imagePullSecrets[1]: Duplicate value"),
    _dataset("a node label that is no text", "pod.nodeSelector", {"gpu": True},
             "spec.pod.nodeSelector.gpu", "must be of type string"),
    #
    _run("no trainer", "trainer", _ABSENT, "spec.trainer: Required value"),
    _run("no image", "trainer.image", _ABSENT, "spec.trainer.image: Required value"),
    _run("an empty image", "trainer.image", "", "spec.trainer.image"),
    _run("an image with a space", "trainer.image", "trainer :1", "spec.trainer.image", "should match"),
    _run("no command", "trainer.command", _ABSENT, "spec.trainer.command: Required value"),
    _run("an empty command", "trainer.command", [], "spec.trainer.command", "at least 1 items"),
    _run("a command in one text", "trainer.command", "python train.py", "spec.trainer.command", "of type array"),
    _run("too many arguments", "trainer.args", ["a"] * 65, "spec.trainer.args: Too many"),
    _run("an argument too long", "trainer.args", ["a" * 8193], "spec.trainer.args[0]: Too long"),
    _run("a variable twice", "trainer.env", _env({"name": "A", "value": "1"}, {"name": "A", "value": "2"}),
         "spec.trainer.env[1]: Duplicate value"),
    _run("a variable's bad name", "trainer.env", _env({"name": "1A", "value": "1"}),
         "spec.trainer.env[0].name", "should match"),
    _run("a variable with value and valueFrom", "trainer.env",
         _env({"name": "A", "value": "1", "valueFrom": {"secretKeyRef": _KEY}}),
         "spec.trainer.env[0]", "set value or valueFrom, not both"),
    _run("a variable from two places", "trainer.env",
         _env({"name": "A", "valueFrom": {"secretKeyRef": _KEY, "configMapKeyRef": _KEY}}),
         "spec.trainer.env[0].valueFrom", "set exactly one of configMapKeyRef and secretKeyRef"),
    _run("a variable from nowhere", "trainer.env", _env({"name": "A", "valueFrom": {}}),
         "spec.trainer.env[0].valueFrom", "set exactly one of configMapKeyRef and secretKeyRef"),
    _run("a variable from a ConfigMap without a key", "trainer.env",
         _env({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a"}}}),
         "spec.trainer.env[0].valueFrom.configMapKeyRef.key: Required value"),
    _run("a channel twice", "datasets", [_SHORT_EXAMPLES["dataset"]] * 2, "spec.datasets[1]: Duplicate value"),
    _run("a channel with a slash", "datasets", [{"name": "a/b", "ref": {"name": "data"}}],
         "spec.datasets[0].name", "should match"),
    _run("a channel too long", "datasets", [{"name": "a" * 64, "ref": {"name": "data"}}], "spec.datasets[0].name"),
    _run("a channel of no Dataset", "datasets", [{"name": "a"}], "spec.datasets[0].ref: Required value"),
    _run("too many channels", "datasets", [{"name": f"c{n}", "ref": {"name": "data"}} for n in range(17)],
         "spec.datasets: Too many"),
    _run("a parameter that is a number", "parameters", {"depth": 4}, "spec.parameters.depth", "of type string"),
    _run("too many parameters", "parameters", {f"p{n}": "1" for n in range(129)}, "spec.parameters: Too many"),
    _run("a parameter too long", "parameters", {"p": "x" * 4097}, "spec.parameters.p: Too long"),
    _run("negative retries", "retries.limit", -1, "spec.retries.limit", "greater than or equal to 0"),
    _run("retries without end", "retries.limit", 101, "spec.retries.limit", "less than or equal to 100"),
    _run("success as an exit code", "retries.nonRetryableExitCodes", [0],
         "spec.retries.nonRetryableExitCodes[0]", "greater than or equal to 1"),
    _run("an impossible exit code", "retries.nonRetryableExitCodes", [256],
         "spec.retries.nonRetryableExitCodes[0]", "less than or equal to 255"),
    _run("an exit code twice", "retries.nonRetryableExitCodes", [3, 3],
         "spec.retries.nonRetryableExitCodes[1]: Duplicate value"),
    _run("a timeout that is no duration", "timeout", "1 hour", "spec.timeout", "should match"),
    _run("a timeout of nothing", "timeout", "0s", "timeout must be at least 1s"),
    _run("an unknown rerunOn", "rerunOn", ["Always"], "spec.rerunOn[0]: Unsupported value", '"DatasetChange"'),
    _run("rerunOn without datasets", "rerunOn", ["DatasetChange"], "rerunOn DatasetChange needs at least one entry"),
    _run("an unknown cache mode", "cache.mode", "Never", "spec.cache.mode: Unsupported value", '"Reuse"', '"Ignore"'),
    _run("a nonce too long", "cache.nonce", "n" * 129, "spec.cache.nonce: Too long"),
    _run("no output", "output", _ABSENT, "spec.output: Required value"),
    _run("no model", "output.model", _ABSENT, "spec.output.model: Required value"),
    _run("a model in capitals", "output.model", "Approval", "spec.output.model", "should match"),
    _run("a model's name too long for its versions", "output.model", "m" * 55, "spec.output.model: Too long"),
    _run("no format", "output.format", _ABSENT, "spec.output.format: Required value"),
    _run("an unknown format", "output.format", "pickle", "spec.output.format: Unsupported value", '"sklearn"'),
    _run("a publishTimeout that is no duration", "output.publishTimeout", "1", "spec.output.publishTimeout"),
    _run("an endless publishTimeout", "output.publishTimeout", "9" * 30 + "h", "publishTimeout"),
    _run("an endless timeout", "timeout", "9" * 30 + "h", "timeout"),
    _run("a gate without a bound", "output.versionTemplate.gates", [{"metric": "accuracy"}],
         "spec.output.versionTemplate.gates[0]", "a gate needs a bound: set min, max or both"),
    _run("an unknown approval", "output.versionTemplate.approval", "Never",
         "spec.output.versionTemplate.approval: Unsupported value", '"Automatic"', '"Manual"'),
    _run("no workers", "workers.count", 0, "spec.workers.count", "greater than or equal to 1"),
    _run("an unknown framework", "workers.framework", "mpi", "spec.workers.framework", '"torch"'),
    _run("a queue in capitals", "queueName", "Team", "spec.queueName", "should match"),
    _run("an interval for no change", "rerun.minInterval", "1h", "need rerunOn: [DatasetChange]"),
    _run("a pause for no change", "rerun.debounce", "1m", "need rerunOn: [DatasetChange]"),
    _run("a run in flight that is lost", "rerun.inFlight", "Drop", "spec.rerun.inFlight", '"Replace"'),
    _run("a schedule too short", "rerun.schedule", "daily", "spec.rerun.schedule"),
    _run("an unknown registration", "output.registration", "Sometimes", "spec.output.registration", '"Never"'),
    _run("a time to live of no length", "ttlAfterFinished", "soon", "spec.ttlAfterFinished", "should match"),
    _run("a sweep of nothing", "sweep", _sweep(), "spec.sweep.parameters", "at least 1 items"),
    _run("a sweep without an objective", "sweep", {"parameters": [_RATE]}, "spec.sweep.objective: Required value"),
    _run("an unknown algorithm", "sweep", _sweep(_RATE, algorithm="bayes"), "spec.sweep.algorithm", '"tpe"'),
    _run("a parameter swept twice", "sweep", _sweep(_RATE, _RATE), "spec.sweep.parameters[1]: Duplicate value"),
    _run("a categorical with bounds", "sweep", _sweep({**_KERNEL, "min": 1}), "a categorical parameter needs values"),
    _run("a double without bounds", "sweep", _sweep({"name": "x", "type": "double"}), "a double or int needs"),
    _run("bounds the wrong way round", "sweep", _sweep({**_RATE, "min": 2}), "min must not be greater than max"),
    _run("a logarithm of nothing", "sweep", _sweep({**_RATE, "min": 0, "log": True}), "log needs a min above 0"),
    _run("logarithms in steps", "sweep", _sweep({**_RATE, "log": True, "step": 0.1}), "set log or step, not both"),
    _run("a step of nothing", "sweep", _sweep({**_RATE, "step": 0}), "spec.sweep.parameters[0].step", "greater than 0"),
    _run("steps without end", "sweep", _sweep({**_RATE, "step": 1e-12}), "step is too small"),
    _run("half an int", "sweep", _sweep({**_DEPTH, "min": 1.5}), "must be whole numbers"),
    _run("a bound too large", "sweep", _sweep({**_RATE, "max": 1e19}), "spec.sweep.parameters[0].max"),
    _run("a grid of doubles", "sweep", _sweep(_RATE, algorithm="grid"), "a grid needs a step for each double"),
    _run("a grid of logarithms", "sweep", _sweep({**_DEPTH, "log": True}, algorithm="grid"), "it has no log"),
    _run("too many trials", "sweep", _sweep(_RATE, maxTrials=501), "spec.sweep.maxTrials", "less than or equal to 500"),
    _run("a table that no status holds", "sweep",
         _sweep(*({**_KERNEL, "name": f"k{n}", "values": ["v" * 256]} for n in range(16)), maxTrials=500),
         "the table of trials would be too large"),
    _run("root", "pod.runAsUser", 0, "spec.pod.runAsUser", "greater than or equal to 1"),
    #
    _version("no model", "model", _ABSENT, "spec.model: Required value"),
    _version("a model that is no name", "model", "Approval 2", "spec.model", "should match"),
    _version("an artifact elsewhere than in S3", "artifact.uri", "https://models/", "spec.artifact.uri"),
    _version("no digest", "artifact.digest", _ABSENT, "spec.artifact.digest: Required value"),
    _version("a short digest", "artifact.digest", "sha256:abc", "spec.artifact.digest", "should match"),
    _version("a digest in capitals", "artifact.digest", "sha256:" + "A" * 64, "spec.artifact.digest", "should match"),
    _version("an unknown format", "artifact.format", "pickle", "spec.artifact.format: Unsupported value"),
    _version("less than no bytes", "artifact.bytes", -1, "spec.artifact.bytes", "greater than or equal to 0"),
    _version("no origin", "origin", _ABSENT, "spec.origin: Required value"),
    _version("an origin of nothing", "origin", {}, "set exactly one of trainingRun and imported"),
    _version("two origins", "origin.trainingRun", {"name": "a", "uid": "b", "inputKey": _DIGEST},
             "set exactly one of trainingRun and imported"),
    _version("an import from nowhere", "origin.imported", {"source": ""}, "spec.origin.imported.source"),
    _version("a metric in words", "origin.metrics", {"accuracy": "good"}, "spec.origin.metrics.accuracy"),
    _version("too many metrics", "origin.metrics", {f"m{n}": n for n in range(51)}, "spec.origin.metrics: Too many"),
    _version("a Dataset twice", "origin.datasets", [_SHORT_EXAMPLES["origin"]] * 2,
             "spec.origin.datasets[1]: Duplicate value"),
    _version("a gate of no metric", "gates", [{"min": 1}], "spec.gates[0].metric: Required value"),
    _version("a gate without a bound", "gates", [{"metric": "a"}], "spec.gates[0]", "set min, max or both"),
    _version("a gate's min above its max", "gates", [{"metric": "a", "min": 2, "max": 1}],
             "spec.gates[0]", "min must not be greater than max"),
    _version("too many gates", "gates", [{"metric": f"m{n}", "min": 1} for n in range(33)], "spec.gates: Too many"),
    _version("an unknown approval", "approval", "Later", "spec.approval: Unsupported value"),
    #
    _service("no model", "model", _ABSENT, "spec.model: Required value"),
    _service("neither name nor version", "model", {}, "set exactly one of name (with channel) and version"),
    _service("name and version", "model.version", "approval-1", "set exactly one of name (with channel) and version"),
    _service("a channel with a version", "model", {"version": "a", "channel": "Approved"},
             "channel goes with name, not with version"),
    _service("an unknown channel", "model.channel", "Newest", "spec.model.channel: Unsupported value", '"Approved"'),
    _service("no server", "server", _ABSENT, "spec.server: Required value"),
    _service("neither runtime nor container", "server", {}, "set exactly one of runtime and container"),
    _service("runtime and container", "server.container", _SHORT_EXAMPLES["container"],
             "set exactly one of runtime and container"),
    _service("an empty runtime", "server.runtime", "", "spec.server.runtime"),
    _service("a runtime's name too long", "server.runtime", "r" * 64, "spec.server.runtime: Too long"),
    _service("resources beside a container", "server",
             {"container": _SHORT_EXAMPLES["container"], "resources": {"limits": {"cpu": 1}}},
             "resources, env and volumeMounts go with runtime; with container set them inside it"),
    _service("a container without an image", "server", {"container": {}}, "spec.server.container.image: Required"),
    *(
        _service(f"the proxy's port {port}", "server", {"container": {"image": "server:1", "port": port}},
                 "container.port must not be 8080, 9090, 9091 or 15000: those belong to the proxy")
        for port in (8080, 9090, 9091, 15000)
    ),
    _service("a privileged port", "server", {"container": {"image": "server:1", "port": 80}},
             "spec.server.container.port", "greater than or equal to 1024"),
    _service("an impossible port", "server", {"container": {"image": "server:1", "port": 65536}},
             "spec.server.container.port", "less than or equal to 65535"),
    _service("a relative path", "server", {"container": {"image": "server:1", "readinessPath": "ready"}},
             "spec.server.container.readinessPath", "should match"),
    *(
        _service(f"a mount at {path}", "server",
                 {"runtime": "sklearn", "volumeMounts": [{"name": "v", "mountPath": path}]},
                 "spec.server.volumeMounts[0]", "mountPath must not be /tmp, nor be or be below /mnt/models")
        for path in ("/tmp", "/tmp/", "/mnt/models", "/mnt/models/more", "/modelops/bin", "/etc/modelops/routes")
    ),
    _service("no replica", "replicas.min", 0, "spec.replicas.min", "greater than or equal to 1"),
    _service("too many replicas", "replicas.min", 1001, "spec.replicas.min", "less than or equal to 1000"),
    _service("half a replica", "replicas.min", 1.5, "spec.replicas.min", "of type integer"),
    _service("a check with a name of the operator's", "rollout",
             {"strategy": "BlueGreen", "analysis": {"checks": [{"name": "agreement", "job": {"image": "judge:1"}}]}},
             "agreement is the name of a check of the operator's: give yours another one"),
    _service("root", "pod.runAsUser", 0, "spec.pod.runAsUser", "greater than or equal to 1"),
]  # fmt: skip


@pytest.mark.parametrize("case", _BAD, ids=str)
def test_a_mistake_is_refused_in_one_sentence(api: ApiServer, case: ApplyRefusedError) -> None:
    """A mistake is told at once, by one sentence that names the field, and never by a failure of the operator."""
    found = causes(api.create(case.body, _NAMESPACE))
    assert len(found) == 1, found
    for words in case.says:
        assert words in found[0]


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("Dataset", "d" * 53, "metadata.name must be at most 52 characters"),
        ("TrainingRun", "t" * 53, "metadata.name must be at most 52 characters"),
        ("InferenceService", "s" * 53, "metadata.name must be at most 52 characters"),
        ("ModelVersion", "v" * 64, "metadata.name must be at most 63 characters"),
        *((kind, "a.b", "metadata.name must be a DNS label") for kind in _MINIMAL),
    ],
)
def test_a_name_that_children_cannot_have_is_refused(api: ApiServer, kind: str, name: str, says: str) -> None:
    """A name that is good for the object and too long for its Job or Service is told at once."""
    found = causes(api.create(_object(kind, name), _NAMESPACE))
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Dataset", "d" * 52), ("TrainingRun", "t" * 52), ("InferenceService", "s" * 52), ("ModelVersion", "v" * 63)],
)
def test_the_longest_name_is_taken(api: ApiServer, kind: str, name: str) -> None:
    """The limit is where the documentation says."""
    answer = api.create(_object(kind, name), _NAMESPACE)
    assert answer.status_code == 201, said(answer)


@pytest.mark.parametrize("kind", _MINIMAL)
def test_an_object_without_a_spec_is_refused(api: ApiServer, kind: str) -> None:
    """An object that says nothing is a mistake."""
    body = {key: value for key, value in _object(kind).items() if key != "spec"}
    assert causes(api.create(body, _NAMESPACE)) == ["spec: Required value"]


_UNKNOWN = [
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


@pytest.mark.parametrize(("kind", "path", "value"), _UNKNOWN)
def test_a_misspelt_field_is_refused_by_name(api: ApiServer, kind: str, path: str, value: Any) -> None:
    """Kubectl asks for strict validation: what would be dropped without a word is refused."""
    answer = api.create(_with(_object(kind), {path: value}), _NAMESPACE)
    assert answer.status_code == 400, said(answer)
    assert f'unknown field "{path}"' in said(answer)


@pytest.mark.parametrize(("kind", "path", "value"), _UNKNOWN)
def test_a_field_of_another_release_is_dropped_where_nobody_is_strict(
    api: ApiServer, kind: str, path: str, value: Any
) -> None:
    """What a client of another release sends is no reason to refuse its object, and never kept."""
    answer = api.create(_with(_object(kind), {path: value}), _NAMESPACE, unknown="Ignore")
    assert answer.status_code == 201, said(answer)
    inner = answer.json()
    for step in path.split(".")[:-1]:
        inner = inner.get(step, {})
    assert path.rsplit(".", 1)[1] not in inner


_POD = {"nodeSelector": {}, "tolerations": [], "imagePullSecrets": [], "runAsUser": 65532}
_DEFAULTED: dict[str, Body] = {
    "Dataset": {
        "source": {"s3": {"bucket": "data", "prefix": ""}},
        "interval": "5m",
        "settle": "30s",
        "suspend": False,
        "probe": {"maxObjects": 10000},
        "format": {"type": "csv"},
        "checks": [],
        "pod": _POD,
    },
    "TrainingRun": {
        "datasets": [],
        "parameters": {},
        "trainer": {"image": "trainer:1", "command": ["train"], "args": [], "env": []},
        "pod": _POD,
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
        **_MINIMAL["ModelVersion"],
        "origin": {"imported": {"source": "a notebook"}, "datasets": [], "parameters": {}, "metrics": {}},
        "gates": [],
        "approval": "Automatic",
    },
    "InferenceService": {
        "model": {"name": "approval"},
        "server": {"runtime": "sklearn"},
        "replicas": {"min": 1},
        "limits": {},
        "pod": {**_POD, "volumes": []},
    },
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_least_that_is_good_has_the_documented_defaults(api: ApiServer, kind: type[Kind]) -> None:
    """What the documentation gives as defaults is what an object means that does not say otherwise; and a status is
    the operator's alone to write.
    """
    answer = api.create(_object(kind.__name__), _NAMESPACE)
    assert answer.status_code == 201, said(answer)
    made = answer.json()
    assert kind.model_validate(made).spec.wire() == _DEFAULTED[kind.__name__]  # type: ignore[attr-defined]
    assert "status" not in made


_GOOD = [
    ("Dataset", {"spec.interval": "1s", "spec.settle": "0s"}),
    ("Dataset", {"spec.interval": "1h30m", "spec.source.s3.endpoint": "https://s3.example/"}),
    ("Dataset", {"spec.source.s3.bucket": "my.data-3"}),
    ("Dataset", {"spec.schema": _columns({"name": "a", "type": "number", "min": 1, "max": 1})}),
    ("Dataset", {"spec.schema": _columns({"name": "a", "type": "integer", "min": -0.5})}),
    ("TrainingRun", {"spec.datasets": [_SHORT_EXAMPLES["dataset"]], "spec.rerunOn": ["DatasetChange"]}),
    ("TrainingRun", {"spec.timeout": "1s", "spec.retries.limit": 100, "spec.retries.nonRetryableExitCodes": [1, 255]}),
    ("TrainingRun", {"spec.trainer.env": [{"name": "A"}, {"name": "B", "valueFrom": {"secretKeyRef": _KEY}}]}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "1"}}}),
    ("TrainingRun", {"spec.output.model": "m" * 54, "spec.cache.mode": "Ignore"}),
    ("TrainingRun", {"spec.sweep": _sweep(_RATE, _DEPTH, _KERNEL, parallelism=100, maxTrials=500, seed=2**31 - 1)}),
    ("TrainingRun", {"spec.sweep": _sweep({**_RATE, "step": 0.1}, algorithm="grid", earlyStopping={"median": {}})}),
    ("TrainingRun", {"spec.pod.affinity": {"nodeAffinity": {}}, "spec.pod.tolerations": [{"operator": "Exists"}]}),
    ("ModelVersion", {"spec.gates": [{"metric": "a", "min": 1, "max": 1}, {"metric": "a", "max": 2}]}),
    ("ModelVersion", {"spec.origin.datasets": [_SHORT_EXAMPLES["origin"]], "spec.origin.metrics": {"a": 1, "b": 0.5}}),
    ("InferenceService", {"spec.model": {"version": "approval-1"}}),
    ("InferenceService", {"spec.model.channel": "Approved", "spec.replicas.min": 1000}),
    ("InferenceService", {"spec.server": {"container": {"image": "server:1", "port": 65535}}}),
    ("InferenceService", {"spec.server.resources": {"limits": {"cpu": "500m"}}}),
]


@pytest.mark.parametrize(("kind", "changes"), _GOOD)
def test_what_the_documentation_allows_is_taken(api: ApiServer, kind: str, changes: dict[str, Any]) -> None:
    """Admission refuses mistakes, and nothing that is good: bounds are where the documentation has them."""
    answer = api.create(_with(_object(kind), changes), _NAMESPACE)
    assert answer.status_code == 201, said(answer)


_LONG_KEY = "k" * 400
_EDGES = [
    ("Dataset", {"spec.settle": "9" * 30 + "h"}),
    ("Dataset", {"spec.interval": "2562047h", "spec.settle": "2562047h"}),
    ("Dataset", {"spec.interval": "0.5h0.25m1000ms"}),
    ("Dataset", {"spec.pod.nodeSelector": {_LONG_KEY: "a"}}),
    ("Dataset", {"spec.pod.runAsUser": 10**15}),
    ("Dataset", {"spec.pod.runAsUser": 10**25}),
    ("Dataset", {"spec.pod.runAsUser": 1000.0}),
    ("Dataset", {"spec.pod.tolerations": [{"tolerationSeconds": 10**25}]}),
    ("Dataset", {"spec.schema": _columns({"name": "a", "type": "number", "min": 10**25})}),
    ("Dataset", {"spec.schema": _columns({"name": "a", "type": "number", "max": 1e308})}),
    ("Dataset", {"spec.source.s3.prefix": "Zürich\n\t\u0000/"}),
    ("Dataset", {"spec.source.s3.prefix": "🏠" * 512}),
    ("Dataset", {"spec.interval": None, "spec.format": None, "spec.pod": None}),
    ("Dataset", {"metadata.annotations": {"a": "b"}, "metadata.labels": {"a": ""}}),
    ("TrainingRun", {"spec.parameters": {_LONG_KEY: "1"}}),
    ("TrainingRun", {"spec.parameters": {"": "1"}}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {_LONG_KEY: 1}}}),
    ("TrainingRun", {"spec.trainer.resources": {"limits": {"cpu": 10**25}}}),
    ("TrainingRun", {"spec.timeout": "9" * 30 + "h"}),
    ("TrainingRun", {"spec.output.publishTimeout": "9" * 30 + "h"}),
    ("TrainingRun", {"spec.output.versionTemplate.gates": [{"metric": "a", "min": -1e308, "max": 1e308}]}),
    ("ModelVersion", {"spec.origin.metrics": {_LONG_KEY: 1}}),
    ("ModelVersion", {"spec.origin.parameters": {_LONG_KEY: "1"}}),
    ("ModelVersion", {"spec.artifact.bytes": 2**63 - 1}),
    ("ModelVersion", {"spec.artifact.bytes": 10**25}),
    ("InferenceService", {"spec.server.resources": {"limits": {_LONG_KEY: "1"}}}),
    ("InferenceService", {"spec.pod.nodeSelector": {_LONG_KEY: "a"}}),
]


@pytest.mark.parametrize(("kind", "changes"), _EDGES, ids=lambda value: str(value)[:60])
def test_what_is_admitted_can_be_read_by_the_operator(api: ApiServer, kind: str, changes: dict[str, Any]) -> None:
    """Nobody's object may be one that the API server takes and the operator cannot read: it is either refused with a
    sentence, or good. An object that only the operator refuses would hurt everybody's.
    """
    answer = api.create(_with(_object(kind), changes), _NAMESPACE)
    if answer.status_code == 201:
        (model,) = [one for one in KINDS if one.__name__ == kind]
        read = model.model_validate_json(json.dumps(answer.json()))
        assert read.metadata.name == "one"
    else:
        assert answer.status_code in (400, 422), said(answer)
        assert said(answer)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_short_name_is_the_kinds_own(cluster: RealCluster, kind: type[Kind]) -> None:
    """A short name that kubectl takes for another kind shows other objects than those asked for."""
    for name in kind.short_names:
        assert cluster.kubectl("explain", name).split("KIND:")[1].split()[0] == kind.__name__


def test_kubectl_shows_the_sentence(cluster: RealCluster) -> None:
    """Who applies a mistake reads what to write instead, not an error of the operator."""
    body = _with(_object("Dataset"), {"spec.interval": "10ms"})
    with pytest.raises(
        real_cluster.ApplyRefusedError, match=r'The Dataset "one" is invalid: .*interval must be at least 1s'
    ):
        cluster.apply(body)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.artifact.digest", "sha256:" + "b" * 64),
        ("spec.origin.metrics", {"accuracy": 1}),
        ("spec.gates", [{"metric": "accuracy", "min": 0}]),
        ("spec.approval", "Manual"),
    ],
)
def test_a_model_version_cannot_be_changed(version: str, api: ApiServer, path: str, value: Any) -> None:
    """What a version is, is settled for ever, its gates too: who changes the spec is told to make another one."""
    found = causes(api.change("ModelVersion", version, "one", _with({}, {path: value})))
    assert len(found) == 1, found
    assert found[0].startswith("spec: ")
    assert "a ModelVersion is immutable; create a new one with another name" in found[0]


def test_a_model_versions_labels_can_be_changed(version: str, api: ApiServer) -> None:
    """Immutable is what the version is, not what people note on it."""
    answer = api.change("ModelVersion", version, "one", _with({}, {"metadata.labels": {"team": "risk"}}))
    assert answer.status_code == 200, said(answer)


@pytest.fixture(scope="module")
def version(cluster: RealCluster, api: ApiServer) -> Iterator[str]:
    """A namespace with a ModelVersion in it."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    made = api.create(_with(_object("ModelVersion"), {"metadata.namespace": namespace}), namespace, dry_run=False)
    assert made.status_code == 201, said(made)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _undocumented(schema: Body, path: str) -> Iterator[str]:
    """The properties below that `kubectl explain` has nothing to say about."""
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("description"):
            yield f"{path}.{name}"
        yield from _undocumented(inner, f"{path}.{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _undocumented(inner, path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_is_documented_in_the_cluster(api: ApiServer, kind: type[Kind]) -> None:
    """`kubectl explain` answers for every field of spec and status, as the definition is installed."""
    (served,) = api.definition(f"{kind.plural}.{GROUP}")["spec"]["versions"]
    schema = served["schema"]["openAPIV3Schema"]
    assert schema["description"]
    assert [path for part in ("spec", "status") for path in _undocumented(schema["properties"][part], part)] == []


@pytest.mark.parametrize(
    "path",
    ["dataset.spec.settle", "trainingrun.spec.trainer.env", "mv.spec.gates", "inferenceservice.spec.server.container"],
)
def test_kubectl_explains_a_field(cluster: RealCluster, path: str) -> None:
    """The documentation is where people look first: in kubectl."""
    shown = cluster.kubectl("explain", path)
    assert "DESCRIPTION:" in shown
    assert "<empty>" not in shown
