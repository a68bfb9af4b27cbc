"""InferenceService: which model serves, and with what."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.kinds import Column, Kind
from modelops.api.markers import rules
from modelops.api.pods import Arguments, Environment, Image, PodOptions, Resources
from modelops.api.types import Conditions, Digest, LongText, Name, Text, Timestamp


class ServedModel(Model):
    """Which version serves."""

    model_config = rules(
        ("has(self.name) != has(self.version)", "set exactly one of name (with channel) and version"),
        ("!has(self.channel) || has(self.name)", "channel goes with name, not with version"),
    )

    name: Name | None = None
    """A model's name: its newest version that may serve is served, and replaced when there is a newer one."""
    channel: Literal["Approved"] | None = None
    """Approved: versions that passed their gates and, where asked for, a person's approval. The default with a name."""
    version: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    """A ModelVersion's name: this one is served, and no other."""


class ServerContainer(Model):
    """A server of the user's own. The model's files are in /mnt/models, read-only."""

    image: Image
    """The server's image."""
    command: Arguments | None = None
    """The program to run. Absent: the image's entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Its arguments."""
    env: Environment = Field(default_factory=list)
    """Environment variables."""
    resources: Resources | None = None
    """What the container asks for and may use."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8081
    """The port it answers HTTP on. 8080, 9090, 9091 and 15000 belong to the proxy."""
    readiness_path: Annotated[str, StringConstraints(pattern=r"^/[ -~]*$", max_length=256)] = "/v2/health/ready"
    """The path that answers 200 when the model can be asked."""


class Server(Model):
    """What serves the model."""

    model_config = rules(
        ("has(self.runtime) != has(self.container)", "set exactly one of runtime and container"),
        (
            "!has(self.container) || (!has(self.resources) && !has(self.env))",
            "resources and env go with runtime; with container set them inside it",
        ),
        (
            "!has(self.container) || !has(self.container.port) || !(self.container.port in [8080, 9090, 9091, 15000])",
            "container.port must not be 8080, 9090, 9091 or 15000: those belong to the proxy",
        ),
    )

    runtime: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    """A preset of the chart, such as sklearn, xgboost, lightgbm or onnx."""
    resources: Resources | None = None
    """What the preset's container asks for and may use, instead of the preset's own."""
    env: Environment | None = None
    """Environment variables for the preset's container."""
    container: ServerContainer | None = None
    """A server of the user's own."""


class Replicas(Model):
    """How many Pods serve."""

    min: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many Pods serve."""


class InferenceServiceSpec(Model):
    """Which model serves, and with what."""

    model: ServedModel
    """Which version serves."""
    server: Server
    """What serves it."""
    replicas: Replicas = Field(default_factory=Replicas)
    """How many Pods serve."""
    pod: PodOptions = Field(default_factory=PodOptions)
    """Where and as whom the Pods run."""


class ServingVersion(Model):
    """A version and the Pods that serve it."""

    version: Annotated[str, StringConstraints(max_length=253)]
    """The ModelVersion."""
    digest: Digest
    """Its artifact's digest."""
    replicas: Annotated[int, Field(ge=0)] = 0
    """How many Pods it shall have."""
    ready: Annotated[int, Field(ge=0)] = 0
    """How many of them answer."""


class CandidateVersion(Model):
    """A version on its way to serving."""

    version: Annotated[str, StringConstraints(max_length=253)]
    """The ModelVersion."""
    digest: Digest
    """Its artifact's digest."""
    since: Timestamp
    """When its rollout began."""
    problem: LongText | None = None
    """What keeps its Pods from becoming ready."""


class InferenceServiceStatus(Model):
    """What serves, and what is about to."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this speaks of."""
    url: Text | None = None
    """Where the model answers inside the cluster."""
    stable: ServingVersion | None = None
    """What serves."""
    candidate: CandidateVersion | None = None
    """What is about to."""
    conditions: Conditions = Field(default_factory=list)
    """Ready: the wanted version serves with all its Pods. Reconciling: it is being rolled out. Stalled: a person must
    change something; what served before goes on serving."""


class InferenceService(Kind):
    """Which model serves, and with what: a new version replaces the old without a lost request."""

    plural: ClassVar[str] = "inferenceservices"
    short_names: ClassVar[tuple[str, ...]] = ("isvc",)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Version", "string", ".status.stable.version"),
        Column("Candidate", "string", ".status.candidate.version"),
        Column("Pods", "integer", ".status.stable.ready"),
        Column("URL", "string", ".status.url", priority=1),
        Column("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: InferenceServiceSpec
    """Which model serves, and with what."""
    status: InferenceServiceStatus = Field(default_factory=InferenceServiceStatus)
    """What serves, and what is about to. Written by the operator."""
