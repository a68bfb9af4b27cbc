"""ModelVersion: one immutable model artifact, its origin, and what it must pass before it may serve."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_atomic, list_map, list_set, rules
from modelops.api.types import (
    Conditions,
    DataSource,
    Digest,
    Metrics,
    Name,
    ObjectVersion,
    StringMap,
    Text,
    Timestamp,
    Uri,
)


class ArtifactFormat(StrEnum):
    """How a model is written."""

    SKLEARN = "sklearn"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    ONNX = "onnx"
    CUSTOM = "custom"


class Approval(StrEnum):
    """Who lets a version serve once its gates have passed."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Gate(Model):
    """A bound that a metric must keep. A metric that is missing fails its gate."""

    model_config = rules(
        ("has(self.min) || has(self.max)", "a gate needs a bound: set min, max or both"),
        ("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max"),
    )

    metric: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """The metric's name, as the trainer wrote it to /opt/ml/output/metrics.json."""
    min: float | None = None
    """The least value that passes."""
    max: float | None = None
    """The greatest value that passes."""


Gates = Annotated[list[Gate], Field(max_length=32), list_atomic()]


class VersionTemplate(Model):
    """What a version must pass before it may serve."""

    gates: Gates = Field(default_factory=list)
    """Bounds that the metrics must keep."""
    approval: Approval = Approval.AUTOMATIC
    """Automatic: passing the gates is enough. Manual: a person approves, with the annotation modelops.dev/approve."""


class Artifact(Model):
    """The model itself."""

    uri: Uri
    """Where it is: a prefix in S3, ending in a slash."""
    digest: Digest
    """The SHA-256 over the sorted lines `path NUL size NUL sha256` of its files. A server loads nothing else."""
    format: ArtifactFormat
    """How it is written."""
    bytes: Annotated[int, Field(ge=0)]
    """Its size."""


class OriginRun(Model):
    """The TrainingRun that made it."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """Its name."""
    uid: Annotated[str, StringConstraints(max_length=64)]
    """Its UID."""
    input_key: Digest
    """The SHA-256 of everything that decided the result."""


class OriginDataset(Model):
    """A Dataset's state that it learned from."""

    name: Annotated[str, StringConstraints(max_length=63)]
    """The channel's name."""
    dataset: Annotated[str, StringConstraints(max_length=253)]
    """The Dataset's name."""
    digest: Digest
    """The snapshot's digest."""
    manifest: Uri
    """The list of every object and its version. Its SHA-256 is the digest."""
    source: DataSource | None = None
    """Where the objects were."""
    versioned: bool
    """Whether the bucket kept versions, so that the same bytes can be fetched again."""
    objects: Annotated[int, Field(ge=0)]
    """How many objects."""
    object_versions: Annotated[list[ObjectVersion], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten objects. All of them are in the manifest."""


class Import(Model):
    """Where a model that was not trained here comes from."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """In words or as a URL."""


class Origin(Model):
    """How the model came to be."""

    model_config = rules(("has(self.trainingRun) != has(self.imported)", "set exactly one of trainingRun and imported"))

    training_run: OriginRun | None = None
    """The TrainingRun that made it."""
    imported: Import | None = None
    """Where it comes from, if it was not trained here."""
    datasets: Annotated[list[OriginDataset], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """The data it learned from."""
    image: Text | None = None
    """The image that trained it, by digest."""
    parameters: StringMap = Field(default_factory=dict)
    """Its hyperparameters."""
    metrics: Metrics = Field(default_factory=dict)
    """Its metrics: what the gates look at."""
    revision: Annotated[str, StringConstraints(max_length=256)] | None = None
    """The revision of the code, as the run's annotation modelops.dev/revision or the trainer's GIT_COMMIT said."""
    packages: Uri | None = None
    """The packages that were installed where it was trained, if the trainer listed them."""
    history: Uri | None = None
    """Every line of the trainer's metrics.jsonl."""
    sweep: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The sweep whose best trial made it."""


class ModelVersionSpec(Model):
    """One model artifact. Immutable."""

    model_config = rules(("self == oldSelf", "a ModelVersion is immutable: create another one with a name of its own"))

    model: Name
    """The model that this is a version of."""
    artifact: Artifact
    """The model itself."""
    origin: Origin
    """How it came to be."""
    gates: Gates = Field(default_factory=list)
    """Bounds that the metrics must keep."""
    approval: Approval = Approval.AUTOMATIC
    """Automatic: passing the gates is enough. Manual: a person approves, with the annotation modelops.dev/approve."""


class GateResult(Model):
    """A gate and what it found."""

    metric: Annotated[str, StringConstraints(max_length=64)]
    """The metric's name."""
    value: float | None = None
    """Its value. Absent: there is none."""
    min: float | None = None
    """The least value that passes."""
    max: float | None = None
    """The greatest value that passes."""
    outcome: Literal["Passed", "Failed", "Missing"]
    """Passed, Failed, or Missing, which fails as well."""


class ApprovalStatus(Model):
    """Whether the version may serve, as people see it."""

    state: Literal["NotRequired", "Pending", "Approved", "Refused"]
    """NotRequired: approval is Automatic. Refused: the annotation names another digest than the artifact's."""
    by: Text | None = None
    """Who approved."""
    at: Timestamp | None = None
    """When the operator saw it."""
    digest: Digest | None = None
    """The artifact's digest that was approved."""


class ModelVersionStatus(Model):
    """Whether the version may serve, and why not."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""
    gates: Annotated[list[GateResult], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Every gate with the value it found."""
    approval: ApprovalStatus | None = None
    """Who approved what, and when."""
    served_by: Annotated[list[Annotated[str, StringConstraints(max_length=253)]], Field(max_length=64), list_set()] = (
        Field(default_factory=list)
    )
    """The InferenceServices that serve it."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: it may serve. Reconciling: a person's approval is awaited. Stalled: a gate failed, for good. GatesPassed
    and Approved: what Ready is made of."""


class ModelVersion(Kind):
    """One immutable model artifact, held at its gates until it may serve, with the whole of its origin."""

    plural: ClassVar[str] = "modelversions"
    short_names: ClassVar[tuple[str, ...]] = ("mv",)
    name_limit: ClassVar[int] = 63
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Model", "string", ".spec.model"),
        PrinterColumn("Approval", "string", ".status.approval.state"),
        PrinterColumn("Digest", "string", ".spec.artifact.digest", priority=1),
        PrinterColumn("Run", "string", ".spec.origin.trainingRun.name", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: ModelVersionSpec
    """One model artifact. Immutable."""
    status: ModelVersionStatus = Field(default_factory=ModelVersionStatus)
    """Whether the version may serve, and why not. Written by the operator."""
