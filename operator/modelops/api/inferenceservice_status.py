"""Status of an InferenceService: the stable version, the candidate, and the versions whose rollout failed."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map
from modelops.api.types import Conditions, Digest, LongText, MadeJobs, ObjectName, Text, Timestamp

RevisionName = Annotated[str, StringConstraints(max_length=63)]
Count = Annotated[int, Field(ge=0)]
AnalysisOutcome = Literal["Passed", "Failed", "Inconclusive", "Error"]


class ServingVersion(Model):
    """A version and the Pods that serve it."""

    version: ObjectName
    """The ModelVersion."""
    digest: Digest
    """Digest of the version's artifact."""
    revision: RevisionName = ""
    """Revision of the Pods. A change of the version, or of the spec that needs other Pods, makes another revision."""
    replicas: Count = 0
    """Desired number of Pods."""
    ready: Count = 0
    """Number of ready Pods."""


class LatencyFigure(Model):
    """Latency of requests at one quantile."""

    quantile: float
    """Quantile, such as 0.99."""
    milliseconds: float
    """Latency at the quantile, in milliseconds."""


class Figures(Model):
    """Requests, errors and latency of a version in one window."""

    requests: Count = 0
    """Number of requests."""
    errors: Count = 0
    """Number of requests that ended with a 5xx status or 429, or without a status."""
    latency: Annotated[list[LatencyFigure], Field(max_length=4), list_atomic()] = Field(default_factory=list)
    """Latency at each quantile that the analysis checks."""


class AnalysisCheckResult(Model):
    """Result of one check."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """errorRate, latency 0.99, inputDistance, predictionDistance, agreement, or the name of a check in
    `analysis.checks`."""
    outcome: AnalysisOutcome
    """Passed, Failed, Inconclusive (too little data) or Error (the check itself failed)."""
    message: Text
    """Why, with the figures."""
    value: float | None = None
    """Measured value."""


class AnalysisResult(Model):
    """Last analysis of a candidate."""

    outcome: AnalysisOutcome
    """Worst outcome of the checks: Failed, then Error, then Inconclusive, then Passed."""
    at: Timestamp
    """Time of the analysis."""
    failures: Count = 0
    """Number of failed analyses in a row."""
    passes: Count = 0
    """Number of analyses that passed in this step."""
    candidate: Figures = Field(default_factory=Figures)
    """Figures of the candidate since the previous analysis."""
    stable: Figures = Field(default_factory=Figures)
    """Figures of the stable version in the same window."""
    checks: Annotated[list[AnalysisCheckResult], Field(max_length=32), list_map("name")] = Field(default_factory=list)
    """Result of each check."""


class CandidateVersion(Model):
    """A version that is being rolled out."""

    version: ObjectName
    """The ModelVersion."""
    digest: Digest
    """Digest of the version's artifact."""
    revision: RevisionName = ""
    """Revision of the candidate's Pods."""
    attempt: RevisionName = ""
    """Name of this attempt: the revision with this `spec.rollout`. A change of either starts the rollout again."""
    since: Timestamp
    """Start of the rollout."""
    step: Count = 0
    """Current step, counted from 1. 0: the first step has not started."""
    steps: Count = 0
    """Number of steps before promotion."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of the traffic that the candidate gets."""
    step_since: Timestamp | None = None
    """Time at which the traffic of the step took effect: `hold` counts from here. Absent: not yet."""
    progress_since: Timestamp | None = None
    """Start of the time that `deadline` limits. Absent while paused."""
    replicas: Count = 0
    """Desired number of Pods."""
    ready: Count = 0
    """Number of ready Pods."""
    problem: LongText | None = None
    """Why the candidate's Pods are not ready."""
    analysis: AnalysisResult | None = None
    """Last analysis."""


class FailedVersion(Model):
    """A version whose rollout ended without promotion, and why.

    The operator does not try it again until the version, the Pod template, `spec.rollout` or the annotation
    `modelops.dev/retry` changes.
    """

    version: ObjectName
    """The ModelVersion."""
    digest: Digest
    """Digest of the version's artifact."""
    revision: RevisionName
    """Revision of the version's Pods."""
    attempt: RevisionName
    """Name of the attempt."""
    at: Timestamp
    """End of the rollout."""
    step: Count = 0
    """Step in which the rollout ended, counted from 1."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of the traffic that the version got at the end."""
    reason: Annotated[str, StringConstraints(max_length=64)]
    """AnalysisFailed, DeadlineExceeded, CrashLoopBackOff, Aborted, Discarded, or why its Pods did not start."""
    message: LongText
    """Why, with the figures."""
    analysis: AnalysisResult | None = None
    """Analysis that failed, or the last one."""


class LastHandledRequests(Model):
    """Values of the request annotations that the operator has acted on. Another value is another request."""

    promote: Text | None = None
    """Value of modelops.dev/promote: advance to the next step."""
    promote_full: Text | None = None
    """Value of modelops.dev/promote-full: skip all remaining steps."""
    abort: Text | None = None
    """Value of modelops.dev/abort: roll back to the stable version."""
    retry: Text | None = None
    """Value of modelops.dev/retry: try a failed version again."""
    pause: Text | None = None
    """Value of modelops.dev/pause while the rollout is paused."""
    promote_by: Text | None = None
    """User who made the request `promote`. Absent, as every name here, if the request named nobody."""
    promote_full_by: Text | None = None
    """User who made the request `promoteFull`."""
    abort_by: Text | None = None
    """User who made the request `abort`."""
    retry_by: Text | None = None
    """User who made the request `retry`."""
    pause_by: Text | None = None
    """User who paused the rollout last."""
    resume_by: Text | None = None
    """User who resumed the rollout last."""


class InferenceServiceStatus(Model):
    """The stable version, the candidate, and the versions whose rollout failed."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that this status describes."""
    url: Text | None = None
    """URL of the model inside the cluster."""
    stable: ServingVersion | None = None
    """Version that serves."""
    candidate: CandidateVersion | None = None
    """Version that is being rolled out."""
    failed: Annotated[list[FailedVersion], Field(max_length=5), list_map("attempt")] = Field(default_factory=list)
    """Last versions whose rollout ended without promotion, the newest first."""
    last_handled_requests: LastHandledRequests = Field(default_factory=LastHandledRequests)
    """Requests by annotation that the operator has acted on."""
    jobs: MadeJobs = Field(default_factory=list)
    """Last Jobs that the operator has made for checks. No other Job of such a name is believed."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: the selected version serves with all its Pods. Reconciling: a rollout is in progress. Stalled: a person
    must change something; the stable version keeps serving. RolledBack: the rollout of the selected version failed."""
