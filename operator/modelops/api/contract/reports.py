"""What the worker tells the operator: one JSON document as the container's termination message, at most 4,096 bytes.

A report holds digests, counts and verdicts, never data beyond the first ten violations. `failure` is set exactly when
the work did not succeed; the exit code then says whether trying again can help.
"""

from typing import Annotated

from pydantic import Field, FiniteFloat

from modelops.api.base import Model
from modelops.api.checks import DataCheckResult
from modelops.api.types import ObjectVersion

MAX_BYTES = 4096
EXIT_RETRY = 1
"""Something outside failed for longer than the worker waits: a new attempt can help."""
EXIT_FINAL = 42
"""The input itself is wrong: no attempt can help."""


class Failure(Model):
    """Why it failed: a CamelCase reason and one sentence a person can act on."""

    reason: str
    message: str


class Violations(Model):
    """What is wrong with a snapshot's content."""

    total: int
    examples: list[str]
    """The first ten, one sentence each: `column "lvr": 12 of 2381 values are above max 2 (first at row 88: 3.41)`."""


class SnapshotReport(Model):
    """The snapshot taken, or why not.

    `violations` decides whether the content is good, not the absence of a place: the manifest is written whenever all
    objects could be fetched, the profile whenever all of them could be read, so that `onViolation: Warn` has both.
    """

    digest: str | None = None
    objects: int = 0
    bytes: int = 0
    rows: int = 0
    versioned: bool = False
    manifest: str | None = None
    profile: str | None = None
    object_versions: list[ObjectVersion] = Field(default_factory=list)
    """The first ten of the manifest."""
    violations: Violations | None = None
    """Of the format and the schema."""
    checks: list[DataCheckResult] = Field(default_factory=list)
    """At the place of each of the task's checks what it found. Empty where the data could not be read."""
    newest: str | None = None
    """When the newest object was written."""
    change_token: str | None = None
    """Of a volume."""
    unchanged: bool = False
    """A survey found what is known already: `digest` says which, and nothing was read."""
    failure: Failure | None = None


class PublishedArtifact(Model):
    """A published model: content-addressed, so that the same bytes are the same artifact."""

    uri: str
    digest: str
    bytes: int
    files: int


class SidecarReport(Model):
    """The model and its final metrics, or why there is none."""

    artifact: PublishedArtifact | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    packages: str | None = None
    """Where /opt/ml/output/packages.txt was put, an s3:// URI."""
    history: str | None = None
    """Where /opt/ml/output/metrics.jsonl was put."""
    failure: Failure | None = None


class FetchReport(Model):
    """What a fetch brought, or why it brought nothing."""

    objects: int = 0
    bytes: int = 0
    failure: Failure | None = None


Step = Annotated[int, Field(ge=0, le=2**53)]
"""Of at most what a float holds exactly: JSON's numbers are floats elsewhere."""


class ProgressPoint(Model):
    """One step of the trainer: the lines of its metrics.jsonl that have this step, taken together."""

    step: Step
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)


class ProgressReport(Model):
    """How far the trainer is: what a sidecar answers to GET /progress."""

    last: ProgressPoint | None = None
    """None: nothing was written yet."""
    total_steps: Annotated[int, Field(ge=1, le=2**53)] | None = None
    started_at: str | None = None
    """When the first line was seen, in ISO 8601."""
    updated_at: str | None = None
    """When the last line was seen."""
    points: Annotated[list[ProgressPoint], Field(max_length=32)] = Field(default_factory=list)
    """At most 32 of all steps, evenly spread, the first and the last among them. A metric that not every step has is
    shown at the point that follows it."""
