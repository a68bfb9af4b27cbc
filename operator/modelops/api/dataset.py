"""Dataset: where data lives and what it must look like."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Column as PrinterColumn
from modelops.api.kinds import Kind
from modelops.api.markers import list_atomic, rules
from modelops.api.pods import PodOptions
from modelops.api.types import (
    Conditions,
    Digest,
    DurationText,
    Format,
    LongText,
    ObjectVersion,
    S3Source,
    Schema,
    Text,
    Timestamp,
    Uri,
    at_least,
)


class DatasetSource(Model):
    """Where the data lives."""

    s3: S3Source
    """An S3 bucket. With versioning on, every snapshot can be fetched again, byte for byte."""


class DatasetSpec(Model):
    """Where the data lives, how often to look, and what it must look like."""

    model_config = rules(
        at_least("interval", "1s"),
    )

    source: DatasetSource
    """Where the data lives."""
    interval: DurationText = "5m"
    """How often to look for change, such as 5m."""
    settle: DurationText = "30s"
    """How long a change must hold still before it counts, since uploads are rarely one object. 0s: at once."""
    suspend: bool = False
    """true: do not look for change. The current snapshot stays."""
    format: Format = Field(default_factory=Format)
    """How the objects are written."""
    schema_: Schema | None = Field(default=None, alias="schema")
    """What the data must look like to become the current snapshot. Absent: any readable data will do."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Where and as whom the Pod runs that reads the data."""


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
    source: S3Source
    """Where the objects were when the snapshot was taken."""
    versioned: bool
    """Whether the bucket keeps versions, so that the snapshot can be fetched again."""
    checked_with: Annotated[str, StringConstraints(max_length=64)]
    """A hash of the format and schema that the data passed: another one means checking again."""
    object_versions: Annotated[list[ObjectVersion], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten objects. All of them are in the manifest."""
    violations: Annotated[int, Field(ge=0)] = 0
    """How many violations of the schema it was taken in spite of."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten of them."""


class Candidate(Model):
    """A state of the data that is not current: not yet settled, being checked, rejected, or not to be checked."""

    digest: Digest
    """The digest it would have."""
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
    """A hash of the format and schema it was rejected with: another one means checking again."""
    ended_at: Timestamp | None = None
    """When it was rejected, or its check failed."""
    reason: Annotated[str, StringConstraints(max_length=128)] | None = None
    """Why it was rejected or could not be checked, in one word."""
    message: LongText | None = None
    """Why it was rejected or could not be checked, in a sentence."""
    violations: Annotated[int, Field(ge=0)] | None = None
    """How many violations there are in all."""
    examples: Annotated[list[Text], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The first ten violations."""


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
    history: Annotated[list[PastSnapshot], Field(max_length=10), list_atomic()] = Field(default_factory=list)
    """The last ten snapshots, newest first, the current one included."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: there is a good snapshot and the source can be watched. Reconciling: a change is settling or being
    checked. Stalled: a person must change something. Valid: the newest data is what it must be. Reproducible: the
    snapshot can be fetched again."""


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
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: DatasetSpec
    """Where the data lives, how often to look, and what it must look like."""
    status: DatasetStatus = Field(default_factory=DatasetStatus)
    """What is current, what is coming, and what was. Written by the operator."""
