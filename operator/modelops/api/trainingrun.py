"""TrainingRun: train a model from code, data and parameters."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.checkpoints import MAX_WORKERS
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_map, list_set, rules
from modelops.api.modelversion import ArtifactFormat, VersionTemplate
from modelops.api.pods import Arguments, Environment, Image, PodOptions, Resources
from modelops.api.sweep import Sweep
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.api.types import ChannelName, DurationText, LocalRef, Name, ObjectName, StringMap, minimum_duration

QueueName = Annotated[ObjectName, StringConstraints(max_length=63)]
"""Name of a queue of Kueue, which is a label's value as well."""


class DatasetInput(Model):
    """Dataset to train on."""

    name: ChannelName
    """Name of the channel: the data is in /opt/ml/input/data/<name>/."""
    ref: LocalRef
    """Dataset of this namespace."""


class Framework(StrEnum):
    """Framework whose variables let the workers find each other, beside those of SageMaker."""

    TORCH = "torch"
    JAX = "jax"
    PLAIN = "plain"


class Workers(Model):
    """Pods that train together."""

    count: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = 1
    """Number of Pods. With more than 1 they are a gang: an Indexed Job whose Pods start and end together and resolve
    each other by name. Rank 0 publishes the model."""
    framework: Framework = Framework.PLAIN
    """torch sets the variables of torchrun (PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and so on), jax the variables of
    jax.distributed (JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID), plain neither. MASTER_ADDR,
    MASTER_PORT, WORLD_SIZE, RANK and SageMaker's SM_HOSTS and SM_CURRENT_HOST are always set."""
    processes_per_worker: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of processes that torchrun starts in each Pod (PET_NPROC_PER_NODE)."""


class Trainer(Model):
    """Container that trains, by SageMaker's container contract.

    Data and hyperparameters are below /opt/ml/input. The container writes the model to /opt/ml/model, and the reason of
    a failure to /opt/ml/output/failure.
    """

    image: Image
    """Training image. Pin it by digest (name@sha256:…): only then are runs reproducible and their results reused."""
    command: Annotated[Arguments, Field(min_length=1)]
    """Program to run. Required, since the operator does not read the image's entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Arguments of the program."""
    env: Environment = Field(default_factory=list)
    """Environment variables, added to SageMaker's (SM_CHANNEL_TRAIN, SM_MODEL_DIR, SM_HPS and so on)."""
    resources: Resources | None = None
    """Resource requests and limits of the container."""


class Retries(Model):
    """Retries of failed attempts."""

    limit: Annotated[int, Field(ge=0, le=100)] = 0
    """Number of retries of a trainer that fails. Evictions, preemptions and lost nodes do not count."""
    backoff: DurationText = "10s"
    """Time between the end of the first attempt and the second one. Doubles with each attempt, up to five minutes."""
    non_retryable_exit_codes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(max_length=64), list_set()] = (
        Field(default_factory=list)
    )
    """Exit codes of the trainer after which the run fails without a retry."""


class Rerun(Model):
    """When to train again, and what happens to a run under way."""

    schedule: Annotated[str, StringConstraints(min_length=9, max_length=128)] | None = None
    """Cron expression of five fields, such as `0 3 * * 1`: times to compare the newest inputs with those of the last
    run, and to train if they differ. With cache.mode Ignore the run trains each time."""
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    """Time zone of the schedule, such as Europe/Berlin."""
    min_interval: DurationText | None = None
    """Least time between the starts of two runs for new data. All changes in between lead to one run."""
    debounce: DurationText | None = None
    """Time that a new snapshot must be current before a run starts for it."""
    in_flight: Literal["Finish", "Replace"] = "Finish"
    """Finish: a run under way ends before one for new inputs starts. Replace: the run under way is stopped."""


class CacheMode(StrEnum):
    """Whether the results of other runs may be reused."""

    REUSE = "Reuse"
    IGNORE = "Ignore"


class Cache(Model):
    """Reuse of a model that exists for the same inputs."""

    mode: CacheMode = CacheMode.REUSE
    """Reuse: take the result of another run of this namespace with the same inputs and a pinned image. Ignore: always
    train."""
    ttl: DurationText | None = None
    """Greatest age of a model that is reused, such as 720h. Absent: any age."""
    nonce: Annotated[str, StringConstraints(max_length=128)] = ""
    """Part of the inputs: change it to train again with everything else the same."""


class Output(Model):
    """Model that the run produces."""

    model: Annotated[Name, StringConstraints(max_length=54)]
    """Name of the model, of at most 54 characters. Its versions are named <model>-<hash>."""
    format: ArtifactFormat
    """Format of the files in /opt/ml/model, by which a server loads them."""
    publish_timeout: DurationText = "1h"
    """Time for which storing the model is retried while the store is down, before the attempt fails."""
    registration: Literal["Always", "Never"] = "Always"
    """Always: create a ModelVersion of the model. Never: only store the model and name it in the status."""
    version_template: VersionTemplate = Field(default_factory=VersionTemplate)
    """Gates and approval that the ModelVersion must pass before it may serve."""


class TrainingRunSpec(Model):
    """Inputs of the run, how it runs, and the model that it produces."""

    datasets: Annotated[list[DatasetInput], Field(max_length=16), list_map("name")] = Field(default_factory=list)
    """Datasets to train on."""
    parameters: StringMap = Field(default_factory=dict)
    """Hyperparameters, in /opt/ml/input/config/hyperparameters.json and SM_HPS. Values are strings."""
    trainer: Trainer
    """Container that trains."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Scheduling, service account and user of the Pods."""
    workers: Workers = Field(default_factory=Workers)
    """Pods that train together."""
    queue_name: QueueName | None = None
    """LocalQueue of Kueue that admits the Job. Needs Kueue in the cluster."""
    retries: Retries = Field(default_factory=Retries)
    """Retries of failed attempts."""
    timeout: DurationText | None = None
    """Longest time that an attempt may run, such as 6h. Time in a queue does not count. Absent: no limit."""
    ttl_after_finished: DurationText = "1h"
    """Time for which the Jobs and Pods of a run are kept after its end. Results are saved in the status first."""
    rerun_on: Annotated[list[Literal["DatasetChange"]], Field(max_length=1), list_set()] = Field(default_factory=list)
    """DatasetChange: train again when a Dataset has a new snapshot. Absent: train again only when this spec changes."""
    rerun: Rerun = Field(default_factory=Rerun)
    """When to train again, and what happens to a run under way."""
    sweep: Sweep | None = None
    """Search for the best parameters: train many times with other parameters, and keep the best model."""
    cache: Cache = Field(default_factory=Cache)
    """Reuse of a model that exists for the same inputs."""
    output: Output
    """Model that the run produces."""

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
            "a parameter of the sweep must not be in parameters too",
        ),
        (
            "!has(self.sweep) || !has(self.parameters) || self.parameters.size() + self.sweep.parameters.size() <= 128",
            "parameters and sweep.parameters must be at most 128 together",
        ),
    )


class TrainingRun(Kind):
    """Training of a model from code, data and parameters: once for the same inputs, again when an input changes."""

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
    """Inputs of the run, how it runs, and the model that it produces."""
    status: TrainingRunStatus = Field(default_factory=TrainingRunStatus)
    """Inputs, progress and result of the run. Written by the operator."""
