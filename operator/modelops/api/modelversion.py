"""ModelVersion: an immutable model artifact, its origin, and the gates and approval before it may serve."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_atomic, list_map, list_set, rules
from modelops.api.types import (
    ChannelName,
    Conditions,
    DataSource,
    Digest,
    Metrics,
    Name,
    ObjectName,
    ObjectVersion,
    StringMap,
    Text,
    Timestamp,
    Uid,
    Uri,
)


class ArtifactFormat(StrEnum):
    """File format of a model."""

    SKLEARN = "sklearn"
    SKOPS = "skops"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    ONNX = "onnx"
    CUSTOM = "custom"

    @property
    def runs_code_on_load(self) -> bool:
        """Whether loading a model may run code that its files contain: pickles do, and nobody knows of custom ones."""
        return self in (ArtifactFormat.SKLEARN, ArtifactFormat.CUSTOM)


class Approval(StrEnum):
    """Whether a person must approve a version whose gates have passed."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Gate(Model):
    """Bounds on a metric. A metric that is missing fails its gate."""

    model_config = rules(
        ("has(self.min) || has(self.max)", "a gate needs a bound: set min, max or both"),
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
    )

    metric: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """Name of the metric, as the trainer wrote it to /opt/ml/output/metrics.json."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""


Gates = Annotated[list[Gate], Field(max_length=32), list_atomic()]


class VersionTemplate(Model):
    """Gates and approval of the versions that a run creates."""

    gates: Gates = Field(default_factory=list)
    """Bounds on the metrics."""
    approval: Approval = Approval.AUTOMATIC
    """Automatic: passing the gates is enough. Manual: a person approves, with the annotation modelops.dev/approve."""


class Artifact(Model):
    """Files of a model."""

    uri: Uri
    """Prefix of the files in S3, with a slash at its end."""
    digest: Digest
    """SHA-256 of the sorted lines `path NUL size NUL sha256` of the files. A server loads only files of this digest."""
    format: ArtifactFormat
    """File format of the model."""
    bytes: Annotated[int, Field(ge=0)]
    """Total size of the files in bytes."""


class OriginRun(Model):
    """TrainingRun that trained a model."""

    name: ObjectName
    """Name of the TrainingRun."""
    uid: Uid
    """UID of the TrainingRun."""
    input_key: Digest
    """SHA-256 of everything that determined the result."""


class OriginDataset(Model):
    """Snapshot of a Dataset that a model was trained on."""

    name: ChannelName
    """Name of the run's channel."""
    dataset: ObjectName
    """Name of the Dataset."""
    digest: Digest
    """Digest of the snapshot."""
    manifest: Uri
    """List of every object with its version. Its SHA-256 is the digest."""
    source: DataSource | None = None
    """Where the objects were stored."""
    versioned: bool
    """Whether the source kept object versions, so that the same data can be fetched again."""
    objects: Annotated[int, Field(ge=0)]
    """Number of objects."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Total size of the objects in bytes."""
    object_versions: Annotated[list[ObjectVersion], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """First ten objects. The manifest lists all of them."""


class Import(Model):
    """Origin of a model that no TrainingRun trained."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """Description or URL of the origin."""


class Origin(Model):
    """Where a model comes from: a TrainingRun or an import, with data, code and metrics."""

    model_config = rules(("has(self.trainingRun) != has(self.imported)", "set exactly one of trainingRun and imported"))

    training_run: OriginRun | None = None
    """TrainingRun that trained the model."""
    imported: Import | None = None
    """Origin of a model that no TrainingRun trained."""
    datasets: Annotated[list[OriginDataset], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Snapshots that the model was trained on."""
    image: Text | None = None
    """Image of the trainer, by digest."""
    parameters: StringMap = Field(default_factory=dict)
    """Hyperparameters."""
    metrics: Metrics = Field(default_factory=dict)
    """Metrics of the model, which the gates check."""
    revision: Annotated[str, StringConstraints(max_length=256)] | None = None
    """Revision of the code, from the run's annotation modelops.dev/revision or the trainer's variable GIT_COMMIT."""
    packages: Uri | None = None
    """Where the list of the trainer's installed packages is stored, if the trainer wrote one."""
    history: Uri | None = None
    """Where the trainer's metrics.jsonl is stored."""
    sweep: ObjectName | None = None
    """TrainingRun with a sweep whose best trial trained the model."""


class ModelVersionSpec(Model):
    """Model artifact, its origin, gates and approval. Immutable."""

    model_config = rules(("self == oldSelf", "a ModelVersion is immutable; create a new one with another name"))

    model: Name
    """Name of the model that this is a version of."""
    artifact: Artifact
    """Files of the model."""
    origin: Origin
    """Where the model comes from."""
    gates: Gates = Field(default_factory=list)
    """Bounds on the metrics."""
    approval: Approval = Approval.AUTOMATIC
    """Automatic: passing the gates is enough. Manual: a person approves, with the annotation modelops.dev/approve."""


class GateResult(Model):
    """Result of a gate."""

    metric: Annotated[str, StringConstraints(max_length=64)]
    """Name of the metric."""
    value: float | None = None
    """Value of the metric. Absent: the metric is missing."""
    min: float | None = None
    """Least value that passes."""
    max: float | None = None
    """Greatest value that passes."""
    outcome: Literal["Passed", "Failed", "Missing"]
    """Passed, Failed, or Missing: there is no such metric, which also fails the gate."""


class ApprovalStatus(Model):
    """Whether a person has approved the version."""

    state: Literal["NotRequired", "Pending", "Approved", "Refused"]
    """NotRequired: spec.approval is Automatic. Pending: there is no annotation modelops.dev/approve. Approved: the
    annotation is the artifact's digest. Refused: the annotation is another digest."""
    by: Text | None = None
    """Person who approved, from the annotation modelops.dev/approved-by."""
    at: Timestamp | None = None
    """When the operator first saw the approval."""
    digest: Digest | None = None
    """Digest of the artifact that was approved."""


class ModelVersionStatus(Model):
    """Results of the gates and approval of a version."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that this status describes."""
    gates: Annotated[list[GateResult], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Result of each of spec.gates."""
    approval: ApprovalStatus | None = None
    """Whether, when and by whom the version was approved."""
    runs_code_on_load: bool | None = None
    """true: loading the model may run code that its files contain. So it is with the format sklearn, whose files are
    pickles, and may be with custom. false: the format holds data alone."""
    served_by: Annotated[list[ObjectName], Field(max_length=64), list_set()] = Field(default_factory=list)
    """Names of the InferenceServices whose stable version this is."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: the version may serve. Reconciling: waiting for a person's approval. Stalled: a gate failed, or the
    approval is for another digest. GatesPassed and Approved: the two parts of Ready."""


class ModelVersion(Kind):
    """Immutable model artifact with its origin. The version may serve once its gates have passed and it is approved."""

    plural: ClassVar[str] = "modelversions"
    short_names: ClassVar[tuple[str, ...]] = ("mv",)
    name_limit: ClassVar[int] = 63
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Model", "string", ".spec.model"),
        PrinterColumn("Approval", "string", ".status.approval.state"),
        PrinterColumn("Digest", "string", ".spec.artifact.digest", priority=1),
        PrinterColumn("Format", "string", ".spec.artifact.format", priority=1),
        PrinterColumn("Code", "boolean", ".status.runsCodeOnLoad", priority=1),
        PrinterColumn("Run", "string", ".spec.origin.trainingRun.name", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: ModelVersionSpec
    """Model artifact, its origin, gates and approval. Immutable."""
    status: ModelVersionStatus = Field(default_factory=ModelVersionStatus)
    """Results of the gates and approval of a version. Written by the operator."""
