"""What an InferenceService's status tells: what serves, what is about to, and what did not make it, with evidence."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map
from modelops.api.types import Conditions, Digest, LongText, Text, Timestamp

VersionName = Annotated[str, StringConstraints(max_length=253)]
RevisionName = Annotated[str, StringConstraints(max_length=63)]
Count = Annotated[int, Field(ge=0)]
AnalysisOutcome = Literal["Passed", "Failed", "Inconclusive", "Error"]


class ServingVersion(Model):
    """A version and the Pods that serve it."""

    version: VersionName
    """The ModelVersion."""
    digest: Digest
    """Its artifact's digest."""
    revision: RevisionName = ""
    """The revision of the Pods: another one for every change of version or spec that needs other Pods."""
    replicas: Count = 0
    """How many Pods it shall have."""
    ready: Count = 0
    """How many of them answer."""


class LatencyFigure(Model):
    """How long requests took."""

    quantile: float
    """Which share of the requests."""
    milliseconds: float
    """Took at most so long, in milliseconds."""


class Figures(Model):
    """What the requests of a version were like."""

    requests: Count = 0
    """How many there were."""
    errors: Count = 0
    """How many of them ended with a 5xx status, or with none."""
    latency: Annotated[list[LatencyFigure], Field(max_length=4), list_atomic()] = Field(default_factory=list)
    """How long they took, for each quantile that is judged."""


class AnalysisCheckResult(Model):
    """What one check found."""

    name: Annotated[str, StringConstraints(max_length=253)]
    """errorRate, latency 0.99, inputDistance, predictionDistance, agreement, or the name of a check of one's own."""
    outcome: AnalysisOutcome
    """Passed; Failed; Inconclusive: too little to judge by; Error: it could not be judged."""
    message: Text
    """Why, with the numbers."""
    value: float | None = None
    """What was measured."""


class AnalysisResult(Model):
    """The last judgement of a candidate."""

    outcome: AnalysisOutcome
    """Failed where a check failed, else Error where one erred, else Inconclusive where one was, else Passed."""
    at: Timestamp
    """When."""
    failures: Count = 0
    """How many judgements in a row have failed."""
    passes: Count = 0
    """How many have passed in this step."""
    candidate: Figures = Field(default_factory=Figures)
    """What the candidate's requests were like since the judgement before."""
    stable: Figures = Field(default_factory=Figures)
    """What the stable version's requests were like in the same time."""
    checks: Annotated[list[AnalysisCheckResult], Field(max_length=32), list_map("name")] = Field(default_factory=list)
    """What each check found."""


class CandidateVersion(Model):
    """A version on its way to serving."""

    version: VersionName
    """The ModelVersion."""
    digest: Digest
    """Its artifact's digest."""
    revision: RevisionName = ""
    """The revision of its Pods."""
    attempt: RevisionName = ""
    """Names this try of this revision with this `spec.rollout`: with another one the rollout begins anew."""
    since: Timestamp
    """When its rollout began."""
    step: Count = 0
    """Which step it is in, counted from 1. 0: its Pods are not ready for the first one yet."""
    steps: Count = 0
    """How many there are before it is promoted."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """How many percent of the requests it shall answer."""
    step_since: Timestamp | None = None
    """When the step took effect: the traffic has been seen to follow, and `hold` counts from here. Absent: not yet."""
    progress_since: Timestamp | None = None
    """Since when `deadline` counts."""
    replicas: Count = 0
    """How many Pods it shall have now."""
    ready: Count = 0
    """How many of them answer."""
    problem: LongText | None = None
    """What keeps its Pods from becoming ready."""
    analysis: AnalysisResult | None = None
    """The last judgement."""


class FailedVersion(Model):
    """A version whose rollout ended without promotion, and why. It is not tried again until the version, what of the
    spec makes its Pods and its rollout, or the annotation `modelops.dev/retry` changes.
    """

    version: VersionName
    """The ModelVersion."""
    digest: Digest
    """Its artifact's digest."""
    revision: RevisionName
    """The revision of its Pods."""
    attempt: RevisionName
    """Which try it was."""
    at: Timestamp
    """When it ended."""
    step: Count = 0
    """The step it was in, counted from 1."""
    weight: Annotated[int, Field(ge=0, le=100)] = 0
    """How many percent of the requests it answered then."""
    reason: Annotated[str, StringConstraints(max_length=64)]
    """AnalysisFailed, DeadlineExceeded, CrashLoopBackOff, Aborted, Discarded, or what kept its Pods from starting."""
    message: LongText
    """Why, with the numbers."""
    analysis: AnalysisResult | None = None
    """The judgement that it failed, or the last one."""


class LastHandledRequests(Model):
    """The values of the annotations that were acted on. Another value is another request."""

    promote: Text | None = None
    """Of modelops.dev/promote: on to the next step."""
    promote_full: Text | None = None
    """Of modelops.dev/promote-full: straight to the end."""
    abort: Text | None = None
    """Of modelops.dev/abort: back to the stable version."""
    retry: Text | None = None
    """Of modelops.dev/retry: once more."""


class InferenceServiceStatus(Model):
    """What serves, what is about to, and what did not make it."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""
    url: Text | None = None
    """Where the model answers inside the cluster."""
    stable: ServingVersion | None = None
    """What serves."""
    candidate: CandidateVersion | None = None
    """What is about to."""
    failed: Annotated[list[FailedVersion], Field(max_length=5), list_map("attempt")] = Field(default_factory=list)
    """The last versions that did not make it, the newest first."""
    handled: LastHandledRequests = Field(default_factory=LastHandledRequests)
    """Which requests by annotation were acted on."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: the wanted version serves with all its Pods. Reconciling: it is being rolled out. Stalled: a person must
    change something; what served before goes on serving. RolledBack: the wanted version did not make it."""
