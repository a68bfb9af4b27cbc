"""TrainingRun: code, data and parameters that become a model."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Column, Kind
from modelops.api.markers import list_map, list_set, rules
from modelops.api.modelversion import ArtifactFormat, OriginDataset, VersionTemplate
from modelops.api.pods import Arguments, Environment, Image, PodOptions, Resources
from modelops.api.types import (
    Conditions,
    Digest,
    DurationText,
    LocalRef,
    LongText,
    Metrics,
    Name,
    StringMap,
    Text,
    Timestamp,
    Uri,
    at_least,
)


class DatasetInput(Model):
    """A Dataset to train on."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=63)]
    """The channel's name: the trainer finds the data in /opt/ml/input/data/<name>/."""
    ref: LocalRef
    """The Dataset."""


class Trainer(Model):
    """The container that trains. It follows SageMaker's container contract: data, hyperparameters and the like are
    below /opt/ml/input, the model goes to /opt/ml/model, the reason of a failure to /opt/ml/output/failure."""

    image: Image
    """The training image. Pin it by digest (name@sha256:…) to make runs reproducible and to share their results."""
    command: Annotated[Arguments, Field(min_length=1)]
    """The program to run. Required, since only the image's registry knows its entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Its arguments."""
    env: Environment = Field(default_factory=list)
    """Environment variables. Those of SageMaker (SM_CHANNEL_TRAIN, SM_MODEL_DIR, SM_HPS and so on) are set already."""
    resources: Resources | None = None
    """What the container asks for and may use."""


class Retries(Model):
    """When a failed attempt is made again."""

    limit: Annotated[int, Field(ge=0, le=100)] = 0
    """How many times a trainer that failed runs again. An eviction or the loss of a node does not count."""
    non_retryable_exit_codes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(max_length=64), list_set()] = (
        Field(default_factory=list)
    )
    """Exit codes of the trainer that no further attempt can help."""


class CacheMode(StrEnum):
    """Whether results of other runs may be used."""

    REUSE = "Reuse"
    IGNORE = "Ignore"


class Cache(Model):
    """Whether a model that exists for the same inputs is used instead of training again."""

    mode: CacheMode = CacheMode.REUSE
    """Reuse: a ModelVersion of this namespace with the same inputs and a pinned image is taken. Ignore: train."""
    nonce: Annotated[str, StringConstraints(max_length=128)] = ""
    """Part of the inputs: change it to train again with everything else the same."""


class Output(Model):
    """What the run produces."""

    model: Annotated[Name, StringConstraints(max_length=54)]
    """The model's name, of at most 54 characters. Its versions are called <model>-<hash>."""
    format: ArtifactFormat
    """What is in /opt/ml/model, so that a server knows how to load it."""
    publish_timeout: DurationText = "1h"
    """How long to try to store the model while the store is down, before the attempt fails."""
    version_template: VersionTemplate = Field(default_factory=VersionTemplate)
    """What the ModelVersion must pass before it may serve."""


class TrainingRunSpec(Model):
    """What to run, on what, and what comes out."""

    datasets: Annotated[list[DatasetInput], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """The data to train on."""
    parameters: StringMap = Field(default_factory=dict)
    """Hyperparameters, in /opt/ml/input/config/hyperparameters.json and SM_HPS. Values are strings."""
    trainer: Trainer
    """The container that trains."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Where and as whom the Pod runs."""
    retries: Retries = Field(default_factory=Retries)
    """When a failed attempt is made again."""
    timeout: DurationText | None = None
    """How long all attempts together may take, such as 6h. Absent: as long as they need."""
    rerun_on: Annotated[list[Literal["DatasetChange"]], Field(max_length=1), list_set()] = Field(default_factory=list)
    """DatasetChange: train again when a Dataset has a new snapshot. Absent: only when this spec changes."""
    cache: Cache = Field(default_factory=Cache)
    """Whether a model that exists for the same inputs is used."""
    output: Output
    """What the run produces."""

    model_config = rules(
        at_least("timeout", "1s", "; leave it out for no limit"),
        (
            "!has(self.rerunOn) || self.rerunOn.size() == 0 || (has(self.datasets) && self.datasets.size() > 0)",
            "rerunOn DatasetChange needs at least one entry in datasets",
        ),
    )


class Inputs(Model):
    """The components of the input key, each as a short text or hash: what a miss is explained with."""

    generation: int
    """The spec's generation that they were taken from."""
    datasets: Annotated[list[OriginDataset], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """The data."""
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


class Outcome(Model):
    """How the run for an input key ended. As long as it is here, that key is not trained again."""

    state: Literal["Succeeded", "Failed"]
    """Succeeded or Failed."""
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
    something. Running: the trainer runs. Succeeded: how it ended. Reproducible: the same key gives the same bytes to
    run."""


class TrainingRun(Kind):
    """Code, data and parameters that become a model: a Job, once per distinct input, again when an input changes."""

    plural: ClassVar[str] = "trainingruns"
    short_names: ClassVar[tuple[str, ...]] = ("tr",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Cache", "string", ".status.cache.result"),
        Column("Version", "string", ".status.modelVersion"),
        Column("Job", "string", ".status.job", priority=1),
        Column("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: TrainingRunSpec
    """What to run, on what, and what comes out."""
    status: TrainingRunStatus = Field(default_factory=TrainingRunStatus)
    """What the run uses, how far it is and what came out. Written by the operator."""
