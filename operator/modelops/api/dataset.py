"""Dataset: where data is stored, and the schema and checks that every snapshot of it must pass."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.checks import DataCheck, DataCheckResult
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_atomic, rules
from modelops.api.pods import PodOptions
from modelops.api.types import (
    Conditions,
    DataSource,
    Digest,
    DurationText,
    Format,
    LongText,
    MadeJobs,
    ObjectVersion,
    Schema,
    Text,
    Timestamp,
    Uri,
    minimum_duration,
)


class Probe(Model):
    """How the source is probed: by the operator, or by a Job."""

    max_objects: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Most objects of an S3 source that the operator itself lists, a thousand a request. A Job probes larger sources
    and claims, and S3 sources without a Secret. 0: always a Job."""


class DatasetSpec(Model):
    """Source of the data, how often to probe it, and what a snapshot must pass."""

    model_config = rules(
        minimum_duration("interval", "1s"),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias) || (has(self.schema) && has(self.schema.protected)"
            " && has(c.column) && c.column in self.schema.protected))",
            "bias needs its column in schema.protected",
        ),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias) || c.bias.metric == 'ClassImbalance'"
            " || (has(self.schema) && has(self.schema.label)))",
            "every bias metric but ClassImbalance needs schema.label",
        ),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias)"
            " || c.bias.metric != 'DifferenceInProportionsOfLabels' || (has(self.schema) && has(self.schema.label)"
            " && has(self.schema.label.positive) && self.schema.label.positive.size() > 0))",
            "DifferenceInProportionsOfLabels needs schema.label.positive",
        ),
    )

    source: DataSource
    """Where the data is stored."""
    interval: DurationText = "5m"
    """How often the source is probed for change, such as 5m. A shorter interval than that of the chart is that one."""
    settle: DurationText = "30s"
    """How long a change must stay unchanged before a snapshot is taken: an upload is rarely a single object. 0s: do not
    wait."""
    suspend: bool = False
    """true: do not probe the source. The current snapshot stays."""
    probe: Probe = Field(default_factory=Probe)
    """How the source is probed: by the operator, or by a Job."""
    format: Format = Field(default_factory=Format)
    """File format of the objects."""
    schema_: Schema | None = Field(default=None, alias="schema")
    """Columns, label and protected columns that the data must have to become the current snapshot. Absent: any readable
    data is accepted."""
    checks: Annotated[list[DataCheck], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Checks of a snapshot as a whole: rows, completeness, change since the current snapshot, bias."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Scheduling and identity of the Pod that reads the data."""


DataCheckResults = Annotated[list[DataCheckResult], Field(max_length=32), list_atomic()]


class Snapshot(Model):
    """State of the data, pinned by digest."""

    digest: Digest
    """SHA-256 of the manifest, which is the sorted lines `key NUL versionId NUL size NUL etag`."""
    short_digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{12}$", max_length=12)]
    """First twelve hex digits of the digest, as `kubectl get` shows them."""
    objects: Annotated[int, Field(ge=0)]
    """Number of objects."""
    bytes: Annotated[int, Field(ge=0)]
    """Total size of the objects in bytes."""
    rows: Annotated[int, Field(ge=0)]
    """Total number of rows."""
    manifest: Uri
    """List of every object with its version. Its SHA-256 is the digest."""
    profile: Uri
    """Statistics of every column, as JSON."""
    created_at: Timestamp
    """When the snapshot became current."""
    source: DataSource
    """Where the objects were stored when the snapshot was last probed."""
    versioned: bool
    """Whether the source keeps object versions, so that the snapshot can be fetched again."""
    last_modified: Timestamp | None = None
    """When the newest object was written."""
    change_token: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Hash of the path, size and time of every file of a claim. A claim with the same token is not read again."""
    checked_with: Annotated[str, StringConstraints(max_length=64)]
    """Hash of the format, schema and checks that the data passed. If the spec has another hash, the data is checked
    again."""
    object_versions: Annotated[list[ObjectVersion], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """First ten objects. The manifest lists all of them."""
    violations: Annotated[int, Field(ge=0)] = 0
    """Number of violations of the schema that spec.schema.onViolation=Warn accepted."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """First ten violations."""
    checks: DataCheckResults = Field(default_factory=list)
    """Result of each of spec.checks, in the same order."""


class Candidate(Model):
    """State of the data that was seen and is not the current snapshot."""

    digest: Digest | None = None
    """Digest of the candidate. Absent: a probe Job failed before it could compute one."""
    objects: Annotated[int, Field(ge=0)]
    """Number of objects."""
    bytes: Annotated[int, Field(ge=0)]
    """Total size of the objects in bytes."""
    since: Timestamp
    """Since when the source holds this state unchanged."""
    state: Literal["Settling", "Checking", "Rejected", "Failed"]
    """Settling: waiting until the data has not changed for spec.settle. Checking: a Job reads the data. Rejected: the
    data violates the schema or a check. Failed: the data could not be checked; retried after the interval."""
    checked_with: Annotated[str, StringConstraints(max_length=64)] | None = None
    """Hash of the format, schema and checks that the candidate was decided with. If the spec has another hash, the data
    is checked again."""
    ended_at: Timestamp | None = None
    """When the candidate was rejected, or the Job failed."""
    reason: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Why the candidate was rejected, failed or must settle again: one CamelCase word for programs."""
    message: LongText | None = None
    """Why the candidate was rejected, failed or must settle again: a sentence for people."""
    violations: Annotated[int, Field(ge=0)] | None = None
    """Number of violations of the schema."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """First ten violations."""
    checks: DataCheckResults = Field(default_factory=list)
    """Result of each of spec.checks, in the same order."""


class PastSnapshot(Model):
    """Snapshot that is, or was, the current one."""

    digest: Digest
    """Digest of the snapshot."""
    manifest: Uri
    """List of every object with its version."""
    rows: Annotated[int, Field(ge=0)]
    """Total number of rows."""
    created_at: Timestamp
    """When the snapshot became current."""


class DatasetStatus(Model):
    """Current snapshot, candidate and history of a Dataset."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that this status describes."""
    snapshot: Snapshot | None = None
    """Current snapshot: the newest data that passed. TrainingRuns use this snapshot."""
    candidate: Candidate | None = None
    """Candidate snapshot: data that was seen and is not current."""
    probed_at: Timestamp | None = None
    """When the last probe Job ended. Absent: the operator itself lists the source."""
    probed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that the last probe Job was made for."""
    last_handled_refresh: Text | None = None
    """Last value of the annotation modelops.dev/refresh that the operator acted on."""
    history: Annotated[list[PastSnapshot], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """Last ten snapshots, newest first, including the current snapshot."""
    jobs: MadeJobs = Field(default_factory=list)
    """Last Jobs that the operator has made to read a candidate. No other Job of such a name is believed."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: there is a current snapshot and the source can be probed. Reconciling: a change is settling or being
    checked. Stalled: a person must change something. Valid: the newest data passes the schema and all checks. Fresh:
    the current snapshot is not older than spec.checks allow. Reproducible: the snapshot can be fetched again."""


class Dataset(Kind):
    """Source of data. Every snapshot of the data is pinned by digest, checked and profiled."""

    plural: ClassVar[str] = "datasets"
    short_names: ClassVar[tuple[str, ...]] = ("dset",)
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Digest", "string", ".status.snapshot.shortDigest"),
        PrinterColumn("Rows", "integer", ".status.snapshot.rows"),
        PrinterColumn("Snapshot-Age", "date", ".status.snapshot.createdAt"),
        PrinterColumn("Full-Digest", "string", ".status.snapshot.digest", priority=1),
        PrinterColumn("Bucket", "string", ".spec.source.s3.bucket", priority=1),
        PrinterColumn("Claim", "string", ".spec.source.pvc.claimName", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: DatasetSpec
    """Source of the data, how often to probe it, and what a snapshot must pass."""
    status: DatasetStatus = Field(default_factory=DatasetStatus)
    """Current snapshot, candidate and history of a Dataset. Written by the operator."""
