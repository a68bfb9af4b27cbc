"""TrainingRun: code, data and parameters that become a model."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_map, list_set, rules
from modelops.api.modelversion import ArtifactFormat, VersionTemplate
from modelops.api.pods import Arguments, Environment, Image, PodOptions, Resources
from modelops.api.sweep import Sweep
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.api.types import DurationText, LocalRef, Name, StringMap, minimum_duration

QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=63)]


class DatasetInput(Model):
    """A Dataset to train on."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=63)]
    """The channel's name: the trainer finds the data in /opt/ml/input/data/<name>/."""
    ref: LocalRef
    """The Dataset."""


class Framework(StrEnum):
    """Which variables workers find each other by, beside those of SageMaker."""

    TORCH = "torch"
    JAX = "jax"
    PLAIN = "plain"


class Workers(Model):
    """How many Pods train together."""

    count: Annotated[int, Field(ge=1, le=256)] = 1
    """More than 1: an Indexed Job whose Pods start together and end together. Each finds the others by name; rank 0
    publishes the model."""
    framework: Framework = Framework.PLAIN
    """torch: the variables of torchrun (PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and so on). jax: those of
    jax.distributed (JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID). plain: none. MASTER_ADDR, MASTER_PORT,
    WORLD_SIZE, RANK and SageMaker's SM_HOSTS and SM_CURRENT_HOST are set with each of them."""
    processes_per_worker: Annotated[int, Field(ge=1, le=64)] = 1
    """How many processes torchrun starts in each Pod (PET_NPROC_PER_NODE)."""


class Trainer(Model):
    """The container that trains. It follows SageMaker's container contract: data, hyperparameters and the like are
    below /opt/ml/input, the model goes to /opt/ml/model, the reason of a failure to /opt/ml/output/failure.
    """

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
    """How many times a trainer that failed runs again. Evictions, preemptions and lost nodes do not count."""
    backoff: DurationText = "10s"
    """How long to wait before the second attempt. The pause doubles with each one, up to five minutes."""
    non_retryable_exit_codes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(max_length=64), list_set()] = (
        Field(default_factory=list)
    )
    """Exit codes of the trainer that no further attempt can help."""


class Rerun(Model):
    """When inputs are taken anew, and what becomes of a run that is under way then."""

    schedule: Annotated[str, StringConstraints(min_length=9, max_length=128)] | None = None
    """A cron expression of five fields, such as `0 3 * * 1`: take the newest inputs at these times, and train if they
    are not those of the last run. With cache.mode Ignore, train each time."""
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    """The time zone of the schedule, such as Europe/Berlin."""
    min_interval: DurationText | None = None
    """At least so long between the starts of two runs for new data. What changes in between is taken together."""
    debounce: DurationText | None = None
    """How long a new snapshot must have been current before a run starts for it."""
    in_flight: Literal["Finish", "Replace"] = "Finish"
    """Finish: a run that is under way ends first. Replace: it is stopped, and one for the new inputs starts."""


class CacheMode(StrEnum):
    """Whether results of other runs may be used."""

    REUSE = "Reuse"
    IGNORE = "Ignore"


class Cache(Model):
    """Whether a model that exists for the same inputs is used instead of training again."""

    mode: CacheMode = CacheMode.REUSE
    """Reuse: what another run of this namespace has made of the same inputs with a pinned image is taken. Ignore:
    train."""
    ttl: DurationText | None = None
    """How old a model may be to be taken, such as 720h. Absent: as old as it is."""
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
    registration: Literal["Always", "Never"] = "Always"
    """Always: a ModelVersion is made of the model. Never: the model is stored and named in the status, and no more."""
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
    workers: Workers = Field(default_factory=Workers)
    """How many Pods train together."""
    queue_name: QueueName | None = None
    """The LocalQueue of Kueue that decides when the Job may start. Needs Kueue in the cluster."""
    retries: Retries = Field(default_factory=Retries)
    """When a failed attempt is made again."""
    timeout: DurationText | None = None
    """How long an attempt may run, such as 6h; time in a queue does not count. Absent: as long as it needs."""
    ttl_after_finished: DurationText = "1h"
    """How long the Jobs and Pods of a run that has ended are kept. What they told is in the status by then."""
    rerun_on: Annotated[list[Literal["DatasetChange"]], Field(max_length=1), list_set()] = Field(default_factory=list)
    """DatasetChange: train again when a Dataset has a new snapshot. Absent: only when this spec changes."""
    rerun: Rerun = Field(default_factory=Rerun)
    """When inputs are taken anew, and what becomes of a run that is under way then."""
    sweep: Sweep | None = None
    """Train many times with other parameters, and keep the best model."""
    cache: Cache = Field(default_factory=Cache)
    """Whether a model that exists for the same inputs is used."""
    output: Output
    """What the run produces."""

    model_config = rules(
        minimum_duration("timeout", "1s", "; leave it out for no limit"),
        (
            "!has(self.rerunOn) || self.rerunOn.size() == 0 || (has(self.datasets) && self.datasets.size() > 0)",
            "rerunOn DatasetChange needs at least one entry in datasets",
        ),
        (
            "!has(self.rerun) || (!has(self.rerun.minInterval) && !has(self.rerun.debounce))"
            " || (has(self.rerunOn) && self.rerunOn.size() > 0)",
            "rerun.minInterval and rerun.debounce need rerunOn: [DatasetChange]",
        ),
        (
            "!has(self.sweep) || !has(self.parameters) || !self.sweep.parameters.exists(p, p.name in self.parameters)",
            "a parameter of the sweep must not be in parameters as well",
        ),
        (
            "!has(self.sweep) || !has(self.parameters) || self.parameters.size() + self.sweep.parameters.size() <= 128",
            "parameters and those of the sweep must be at most 128 together",
        ),
    )


class TrainingRun(Kind):
    """Code, data and parameters that become a model: a Job, once per distinct input, again when an input changes."""

    plural: ClassVar[str] = "trainingruns"
    short_names: ClassVar[tuple[str, ...]] = ("tr",)
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Cache", "string", ".status.cache.result"),
        PrinterColumn("Version", "string", ".status.modelVersion"),
        PrinterColumn("Job", "string", ".status.job", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: TrainingRunSpec
    """What to run, on what, and what comes out."""
    status: TrainingRunStatus = Field(default_factory=TrainingRunStatus)
    """What the run uses, how far it is and what came out. Written by the operator."""
