"""Status of a TrainingRun: its inputs, progress and result."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.checkpoints import Checkpoints
from modelops.api.markers import list_atomic, list_map
from modelops.api.modelversion import OriginDataset
from modelops.api.sweep import SweepStatus
from modelops.api.types import (
    Conditions,
    Digest,
    LongText,
    MadeJobs,
    Metrics,
    Name,
    ObjectName,
    StringMap,
    Text,
    Timestamp,
    Uri,
)


class Attempt(Model):
    """Failed or stopped attempt: one Job, with one Pod or all workers of a gang."""

    number: Annotated[int, Field(ge=1)]
    """Number of the attempt, from 1."""
    reason: Annotated[str, StringConstraints(max_length=128)]
    """Reason of its end, in one word."""
    message: Text
    """Reason of its end, in a sentence."""
    node: ObjectName | None = None
    """Node of its Pod, of a gang's first Pod to fail."""
    started_at: Timestamp | None = None
    """Creation of its Pod."""
    ended_at: Timestamp
    """End of the attempt."""
    counted: bool
    """Whether the attempt counts against retries.limit: a disruption does not."""


class TracePoint(Model):
    """Objective at one step."""

    step: Annotated[int, Field(ge=0)]
    """Step of the training."""
    value: float
    """Value of the objective."""


class Progress(Model):
    """Progress of the trainer, from its /opt/ml/output/metrics.jsonl. Updated every 15 seconds at most."""

    step: Annotated[int, Field(ge=0)]
    """Last step."""
    total_steps: Annotated[int, Field(ge=1)] | None = None
    """Number of steps of the whole training, if the trainer writes it."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Completed part of all steps, in percent."""
    ends_at: Timestamp | None = None
    """Estimated end of the training, in whole minutes."""
    metrics: Annotated[dict[str, float], Field(max_length=20)] = Field(default_factory=dict)
    """Metrics of the last step."""
    trace: Annotated[list[TracePoint], Field(max_length=32), list_atomic()] = Field(default_factory=list)
    """Objective of a sweep's trial over its steps, in at most 32 evenly spread points."""


class Inputs(Model):
    """Inputs of the run, pinned."""

    generation: int
    """Generation of the spec that the inputs are from."""
    datasets: Annotated[list[OriginDataset], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Snapshots of the Datasets."""
    occurrence: Timestamp | None = None
    """Time of the schedule that the run is for. Set with cache.mode Ignore, which makes each time another input."""
    components: StringMap = Field(default_factory=dict)
    """Components of the input key, each as a short text or hash: image, command, args, env, parameters, nonce, the
    content of every ConfigMap that env refers to, and UID and resourceVersion of every Secret. They explain a cache
    miss."""


class CacheResult(Model):
    """Cache hit or miss, and its reason."""

    result: Literal["Hit", "Miss"]
    """Hit: the result of another run was reused. Miss: the run trains."""
    reason: Text
    """Source of the reused result, or the components of the input key that changed."""


class RunArtifact(Model):
    """Model that the run published."""

    uri: Uri
    """Location of the model's files in the store."""
    digest: Digest
    """SHA-256 of the model's files."""
    bytes: Annotated[int, Field(ge=0)]
    """Size of the model's files."""
    image: Text
    """Training image, by the digest that the node ran."""
    packages: Uri | None = None
    """List of packages in the training image, if the trainer wrote /opt/ml/output/packages.txt."""
    history: Uri | None = None
    """Copy of the trainer's metrics.jsonl."""


class Outcome(Model):
    """End of the run. While it is set, the run does not train again for the same input key."""

    state: Literal["Succeeded", "Failed", "Stopped"]
    """Succeeded, Failed, or Stopped by the annotation modelops.dev/stop."""
    reason: Annotated[str, StringConstraints(max_length=128)]
    """Reason in one word: Trained, CacheHit, TrainerFailed, OutOfMemory, DeadlineExceeded, NoModelWritten and so on."""
    message: LongText
    """Reason in a sentence. For a failed trainer, the content of /opt/ml/output/failure."""
    finished_at: Timestamp
    """Time of the end."""


class TrainingRunStatus(Model):
    """Inputs, progress and result of the run."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that the status is for."""
    input_key: Digest | None = None
    """SHA-256 of everything that decides the model."""
    inputs: Inputs | None = None
    """Inputs of the run, pinned."""
    cache: CacheResult | None = None
    """Cache hit or miss, and its reason."""
    job: Name | None = None
    """Job of the last attempt."""
    attempts: Annotated[int, Field(ge=0)] | None = None
    """Number of attempts for these inputs."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Number of attempts that count against retries.limit."""
    failed_attempts: Annotated[list[Attempt], Field(max_length=20), list_atomic()] = Field(default_factory=list)
    """Last twenty attempts that failed or were stopped."""
    progress: Progress | None = None
    """Progress of the trainer."""
    checkpoints: Annotated[Checkpoints, list_atomic()] = Field(default_factory=list)
    """Newest checkpoints that each worker's sidecar has reported: the next attempt restores no others. Empty once a
    model is published."""
    started_at: Timestamp | None = None
    """Start of the run for these inputs."""
    scheduled_at: Timestamp | None = None
    """Last time of rerun.schedule that was handled."""
    last_handled_retry: Text | None = None
    """Value of the annotation modelops.dev/retry that was handled last."""
    last_handled_stop: Text | None = None
    """Value of the annotation modelops.dev/stop that was handled last."""
    sweep: SweepStatus | None = None
    """Trials of the sweep."""
    outcome: Outcome | None = None
    """End of the run."""
    artifact: RunArtifact | None = None
    """Model that the run published."""
    metrics: Metrics = Field(default_factory=dict)
    """Final metrics of the trainer."""
    model_version: ObjectName | None = None
    """ModelVersion of the model. Until a run for new inputs succeeds, that of the run before."""
    jobs: MadeJobs = Field(default_factory=list)
    """Last Jobs that the operator has made for the run. No other Job of such a name is believed."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: a ModelVersion exists for the current inputs. Reconciling: the model is not ready yet. Stalled: a person
    must change something. Queued: the Job is waiting in a queue of Kueue. Running: the trainer runs. Succeeded: the run
    has ended with a model. Reproducible: the same input key gives the same bytes to run."""
