"""Reports of the worker to the operator: JSON of at most 4,096 bytes, as the container's termination message.

A report has digests, counts and outcomes, and no data but the numbers that the first ten violations quote.
`failure` is set exactly when the task failed; the exit code then says whether a retry can help.
"""

from typing import Annotated

from pydantic import Field, FiniteFloat

from modelops.api.base import Model
from modelops.api.checkpoints import Checkpoints
from modelops.api.checks import DataCheckResult
from modelops.api.types import ObjectVersion

MAX_BYTES = 4096
EXIT_RETRY = 1
"""Exit code when something outside failed for longer than the worker retries: another attempt can help."""
EXIT_FINAL = 42
"""Exit code when the input itself is invalid: no attempt can help."""


class Failure(Model):
    """Failure of a task: a CamelCase reason, and one sentence that a person can act on."""

    reason: str
    message: str


class Violations(Model):
    """Violations of the format or the schema in a snapshot."""

    total: int
    examples: list[str]
    """First ten, one sentence each: `column "lvr": 12 of 2381 values are above max 2 (first in a.csv row 88: 3.41)`.

    The value is quoted only where the schema allows it."""


class SnapshotReport(Model):
    """Snapshot, or the failure to take one.

    The content is valid when `violations` is None. The manifest is written whenever all objects could be fetched, the
    profile whenever all of them could be read: `onViolation: Warn` needs both for invalid data too.
    """

    digest: str | None = None
    objects: int = 0
    bytes: int = 0
    rows: int = 0
    versioned: bool = False
    manifest: str | None = None
    profile: str | None = None
    object_versions: list[ObjectVersion] = Field(default_factory=list)
    """First ten objects of the manifest."""
    violations: Violations | None = None
    """Violations of the format or the schema; None if there are none."""
    checks: list[DataCheckResult] = Field(default_factory=list)
    """Result of each of the task's checks, in the same order. Empty where the data could not be read."""
    newest: str | None = None
    """Time at which the newest object was written, in ISO 8601."""
    change_token: str | None = None
    """Change token of a volume's files; None for S3."""
    unchanged: bool = False
    """Whether a probe found data that is known already: `digest` says which. Nothing was read then."""
    failure: Failure | None = None


class PublishedArtifact(Model):
    """Published model, stored under its digest: the same bytes are the same artifact."""

    uri: str
    digest: str
    bytes: int
    files: int


Step = Annotated[int, Field(ge=0, le=2**53)]
"""Step number, at most 2**53: other JSON parsers read numbers as floats."""


class ProgressPoint(Model):
    """Step of the trainer: all lines of its metrics.jsonl with this step, merged."""

    step: Step
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)


class ProgressReport(Model):
    """Progress of the trainer: the sidecar's response to GET /progress, and a part of its last report."""

    last: ProgressPoint | None = None
    """Last step. None: the trainer has written no metrics yet."""
    total_steps: Annotated[int, Field(ge=1, le=2**53)] | None = None
    started_at: str | None = None
    """Time at which the sidecar read the first line, in ISO 8601."""
    updated_at: str | None = None
    """Time at which the sidecar read the last line, in ISO 8601."""
    points: Annotated[list[ProgressPoint], Field(max_length=32)] = Field(default_factory=list)
    """At most 32 steps, evenly spaced, including the first and the last. A metric that only some steps have appears at
    the next of these points."""
    checkpoints: Checkpoints = Field(default_factory=list)
    """Newest checkpoints that the sidecar has saved."""


class SidecarReport(Model):
    """Published model and its final metrics, or the failure to publish one.

    While the trainer runs, the termination message is a report with the checkpoints alone, so that a sidecar that is
    killed has reported them too.
    """

    artifact: PublishedArtifact | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    packages: str | None = None
    """URI (s3://) of the uploaded /opt/ml/output/packages.txt."""
    history: str | None = None
    """URI (s3://) of the uploaded /opt/ml/output/metrics.jsonl."""
    progress: ProgressReport | None = None
    """Progress at the end of the trainer. The points are those of the task's `objective` alone."""
    checkpoints: Checkpoints = Field(default_factory=list)
    """Newest checkpoints that the sidecar has saved. Empty once a model is published."""
    failure: Failure | None = None


class FetchReport(Model):
    """Totals of a fetch, or its failure."""

    objects: int = 0
    bytes: int = 0
    failure: Failure | None = None
