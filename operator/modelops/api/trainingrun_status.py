"""What a TrainingRun's status holds: its inputs, how far it is, how it ended."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.markers import list_atomic, list_map
from modelops.api.modelversion import OriginDataset
from modelops.api.sweep import SweepStatus
from modelops.api.types import Conditions, Digest, LongText, Metrics, StringMap, Text, Timestamp, Uri


class Attempt(Model):
    """One start of the trainer, or of all workers together, that did not succeed."""

    number: Annotated[int, Field(ge=1)]
    """Counted from 1."""
    reason: Annotated[str, StringConstraints(max_length=128)]
    """Why it ended, in one word."""
    message: Text
    """Why it ended, in a sentence."""
    node: Annotated[str, StringConstraints(max_length=253)] | None = None
    """Where it ran; of several workers the one that failed first."""
    started_at: Timestamp | None = None
    """When its Pod was created."""
    ended_at: Timestamp
    """When it ended."""
    counted: bool
    """Whether it counts against retries.limit: a disruption does not."""


class TracePoint(Model):
    """The objective at one step."""

    step: Annotated[int, Field(ge=0)]
    """The step."""
    value: float
    """The metric's value."""


class Progress(Model):
    """How far the trainer is, by its own words in /opt/ml/output/metrics.jsonl. Written every 15 seconds at most."""

    step: Annotated[int, Field(ge=0)]
    """The last step."""
    total_steps: Annotated[int, Field(ge=1)] | None = None
    """How many there will be, if the trainer says so."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """How much of it is done."""
    ends_at: Timestamp | None = None
    """When it will be done at this pace."""
    metrics: Annotated[dict[str, float], Field(max_length=20)] = Field(default_factory=dict)
    """The metrics of the last step."""
    trace: Annotated[list[TracePoint], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Of a trial of a sweep: its objective over its steps, thinned out."""


class Inputs(Model):
    """The components of the input key, each as a short text or hash: what a miss is explained with."""

    generation: int
    """The spec's generation that they were taken from."""
    datasets: Annotated[list[OriginDataset], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """The data."""
    occurrence: Timestamp | None = None
    """The time of the schedule that they were taken for, where cache.mode is Ignore: each is a run of its own."""
    components: StringMap = Field(default_factory=dict)
    """image, command, args, env, parameters, nonce and the content of every referenced ConfigMap and Secret."""


class CacheResult(Model):
    """Whether a model existed for the inputs, and why not."""

    result: Literal["Hit", "Miss"]
    """Hit: a ModelVersion was taken. Miss: a Job trains."""
    reason: Text
    """Which component of the inputs changed, or whose result was taken."""


class RunArtifact(Model):
    """The model that the run published."""

    uri: Uri
    """Where it is."""
    digest: Digest
    """What it is."""
    bytes: Annotated[int, Field(ge=0)]
    """Its size."""
    image: Text
    """The image that really ran, by digest."""
    packages: Uri | None = None
    """The packages that were installed there, if the trainer listed them in /opt/ml/output/packages.txt."""
    history: Uri | None = None
    """Every line of the trainer's metrics.jsonl."""


class Outcome(Model):
    """How the run for an input key ended. As long as it is here, that key is not trained again."""

    state: Literal["Succeeded", "Failed", "Stopped"]
    """Succeeded, Failed, or Stopped: by the annotation modelops.dev/stop."""
    reason: Annotated[str, StringConstraints(max_length=128)]
    """Why, in one word: TrainerFailed, OutOfMemory, DeadlineExceeded, NoModelWritten and so on."""
    message: LongText
    """Why, in a sentence; for a failed trainer what it wrote to /opt/ml/output/failure."""
    finished_at: Timestamp
    """When."""


class TrainingRunStatus(Model):
    """What the run uses, how far it is and what came out."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""
    input_key: Digest | None = None
    """The SHA-256 of everything that decides the result."""
    inputs: Inputs | None = None
    """What is in the key."""
    cache: CacheResult | None = None
    """Whether a model existed for the inputs, and why not."""
    job: Annotated[str, StringConstraints(max_length=63)] | None = None
    """The Job that trains."""
    attempts: Annotated[int, Field(ge=0)] | None = None
    """How many times the trainer was started."""
    failures: Annotated[int, Field(ge=0)] = 0
    """How many attempts counted against retries.limit."""
    failed_attempts: Annotated[list[Attempt], Field(max_length=20), list_atomic()] = Field(default_factory=list)
    """The last twenty that did not succeed."""
    progress: Progress | None = None
    """How far the trainer is."""
    started_at: Timestamp | None = None
    """When a run for these inputs began."""
    scheduled_at: Timestamp | None = None
    """The last time of rerun.schedule that was acted on."""
    retry: Text | None = None
    """The value of the annotation modelops.dev/retry that was acted on."""
    stop: Text | None = None
    """The value of the annotation modelops.dev/stop that was acted on."""
    sweep: SweepStatus | None = None
    """The trials, where there is a sweep."""
    outcome: Outcome | None = None
    """How it ended."""
    artifact: RunArtifact | None = None
    """The model that was published."""
    metrics: Metrics = Field(default_factory=dict)
    """The trainer's final metrics."""
    model_version: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The ModelVersion that came out."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: a ModelVersion exists for the current inputs. Reconciling: it is being made. Stalled: a person must change
    something. Queued: Kueue has not admitted it yet. Running: the trainer runs. Succeeded: how it ended. Reproducible:
    the same key gives the same bytes to run."""
