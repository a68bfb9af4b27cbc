"""Dataset: where data lives and what it must look like."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.checks import Check, CheckResult
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
    ObjectVersion,
    Schema,
    Text,
    Timestamp,
    Uri,
    minimum_duration,
)


class Probe(Model):
    """What the operator looks at itself, between two Jobs."""

    max_objects: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """The operator lists at most so many objects of an S3 source, a thousand a request. Where there are more, and of a
    claim always, a Job looks every interval. 0: always a Job."""


class DatasetSpec(Model):
    """Where the data lives, how often to look, and what it must look like."""

    model_config = rules(
        minimum_duration("interval", "1s"),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias) || (has(self.schema) && has(self.schema.protected)"
            " && has(c.column) && c.column in self.schema.protected))",
            "a check of bias needs its column in schema.protected",
        ),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias) || c.bias.metric == 'ClassImbalance'"
            " || (has(self.schema) && has(self.schema.label)))",
            "a check of bias other than ClassImbalance needs schema.label",
        ),
        (
            "!has(self.checks) || self.checks.all(c, !has(c.bias)"
            " || c.bias.metric != 'DifferenceInProportionsOfLabels' || (has(self.schema) && has(self.schema.label)"
            " && has(self.schema.label.positive) && self.schema.label.positive.size() > 0))",
            "DifferenceInProportionsOfLabels needs schema.label.positive",
        ),
    )

    source: DataSource
    """Where the data lives."""
    interval: DurationText = "5m"
    """How often to look for change, such as 5m."""
    settle: DurationText = "30s"
    """How long a change must hold still before it counts, since uploads are rarely one object. 0s: at once."""
    suspend: bool = False
    """true: do not look for change. The current snapshot stays."""
    probe: Probe = Field(default_factory=Probe)
    """What the operator looks at itself."""
    format: Format = Field(default_factory=Format)
    """How the objects are written."""
    schema_: Schema | None = Field(default=None, alias="schema")
    """What the data must look like to become the current snapshot. Absent: any readable data will do."""
    checks: Annotated[list[Check], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """What a snapshot must keep as a whole: rows, completeness, change since the last one, bias."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Where and as whom the Pod runs that reads the data."""


CheckResults = Annotated[list[CheckResult], Field(max_length=32), list_atomic()]


class Snapshot(Model):
    """One state of the data, pinned by digest."""

    digest: Digest
    """The SHA-256 of the manifest: the sorted lines `key NUL versionId NUL size NUL etag`."""
    objects: Annotated[int, Field(ge=0)]
    """How many objects."""
    bytes: Annotated[int, Field(ge=0)]
    """Their size together."""
    rows: Annotated[int, Field(ge=0)]
    """How many rows they hold together."""
    manifest: Uri
    """The list of every object and its version. Its SHA-256 is the digest."""
    profile: Uri
    """Statistics of every column."""
    taken_at: Timestamp
    """When the snapshot became current."""
    source: DataSource
    """Where the objects were when the snapshot was taken."""
    versioned: bool
    """Whether the source keeps versions, so that the snapshot can be fetched again."""
    newest: Timestamp | None = None
    """When the newest object was written."""
    change_token: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Of a claim: a hash of every file's path, size and time, so that an unchanged one need not be read again."""
    checked_with: Annotated[str, StringConstraints(max_length=64)]
    """A hash of the format, schema and checks that the data passed: another one means checking again."""
    object_versions: Annotated[list[ObjectVersion], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten objects. All of them are in the manifest."""
    violations: Annotated[int, Field(ge=0)] = 0
    """How many violations of the schema it was taken in spite of."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten of them."""
    checks: CheckResults = Field(default_factory=list)
    """What each of spec.checks found."""


class Candidate(Model):
    """A state of the data that is not current: not yet settled, being checked, rejected, or not to be checked."""

    digest: Digest | None = None
    """The digest it would have. Absent: a Job looked, and could not tell."""
    objects: Annotated[int, Field(ge=0)]
    """How many objects."""
    bytes: Annotated[int, Field(ge=0)]
    """Their size together."""
    since: Timestamp
    """Since when it has held still."""
    state: Literal["Settling", "Checking", "Rejected", "Failed"]
    """Settling: waiting for the data to hold still. Checking: a Job reads it. Rejected: it is not what it must be.
    Failed: it could not be checked, which is tried again after the interval."""
    checked_with: Annotated[str, StringConstraints(max_length=64)] | None = None
    """A hash of the format, schema and checks it was decided on with: another one, or none, means checking again."""
    ended_at: Timestamp | None = None
    """When it was rejected, or its check failed."""
    reason: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Why it was rejected, could not be checked or must settle anew, in one word."""
    message: LongText | None = None
    """Why it was rejected, could not be checked or must settle anew, in a sentence."""
    violations: Annotated[int, Field(ge=0)] | None = None
    """How many violations there are in all."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten violations."""
    checks: CheckResults = Field(default_factory=list)
    """What each of spec.checks found."""


class PastSnapshot(Model):
    """A snapshot that was current once."""

    digest: Digest
    """Its digest."""
    manifest: Uri
    """Its manifest."""
    rows: Annotated[int, Field(ge=0)]
    """How many rows it holds."""
    taken_at: Timestamp
    """When it became current."""


class DatasetStatus(Model):
    """What is current, what is coming, and what was."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""
    snapshot: Snapshot | None = None
    """The current snapshot: the newest data that was good. TrainingRuns use this."""
    candidate: Candidate | None = None
    """Data seen and not current."""
    looked_at: Timestamp | None = None
    """When a Job looked last, where the operator does not look itself."""
    looked_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that it looked for."""
    refresh: Text | None = None
    """The value of the annotation modelops.dev/refresh that was acted on."""
    history: Annotated[list[PastSnapshot], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The last ten snapshots, newest first, the current one included."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: there is a good snapshot and the source can be watched. Reconciling: a change is settling or being
    checked. Stalled: a person must change something. Valid: the newest data is what it must be. Fresh: the current
    snapshot is as new as spec.checks want it. Reproducible: the snapshot can be fetched again."""


class Dataset(Kind):
    """Where data lives and what it must look like. Every state of it is pinned by digest, checked and profiled."""

    plural: ClassVar[str] = "datasets"
    short_names: ClassVar[tuple[str, ...]] = ("dset",)
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Digest", "string", ".status.snapshot.digest"),
        PrinterColumn("Rows", "integer", ".status.snapshot.rows"),
        PrinterColumn("Taken", "date", ".status.snapshot.takenAt"),
        PrinterColumn("Source", "string", ".spec.source.s3.bucket", priority=1),
        PrinterColumn("Claim", "string", ".spec.source.pvc.claimName", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: DatasetSpec
    """Where the data lives, how often to look, and what it must look like."""
    status: DatasetStatus = Field(default_factory=DatasetStatus)
    """What is current, what is coming, and what was. Written by the operator."""
