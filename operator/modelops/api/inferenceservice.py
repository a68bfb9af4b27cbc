"""InferenceService: which model serves, and with what."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_atomic, list_set, rules
from modelops.api.pods import Arguments, Environment, Image, Resources, ServingPodOptions, VolumeMounts
from modelops.api.rollout import Analysis, Rollout
from modelops.api.types import DurationText, Name, Quantity, minimum_duration


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
    grpc_port: Annotated[int, Field(ge=1024, le=65535)] | None = None
    """The port it answers gRPC on. Absent: it does not speak gRPC."""
    volume_mounts: VolumeMounts = Field(default_factory=list)
    """Where the volumes of `pod` are."""
    readiness_path: Annotated[str, StringConstraints(pattern=r"^/[ -~]*$", max_length=256)] = "/v2/health/ready"
    """The path that answers 200 when the model can be asked."""


class WarmUpRequest(Model):
    """A request that the model must have answered before its Pod gets any other."""

    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=512)]
    """The path, such as /v2/models/mortgage/infer."""
    body: Annotated[str, StringConstraints(max_length=65536)] = ""
    """What is posted. Empty: a GET."""
    content_type: Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=128)] = "application/json"
    """Its Content-Type."""
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it is sent, one after the other."""


class WarmUp(Model):
    """Requests that are sent to a new Pod's model, once it says that it is ready, before the Pod is."""

    requests: Annotated[list[WarmUpRequest], Field(min_length=1, max_length=16), list_atomic()]
    """The requests, in order. One that is not answered with 2xx begins them all anew, and the Pod's events say so."""


class Server(Model):
    """What serves the model."""

    model_config = rules(
        ("has(self.runtime) != has(self.container)", "set exactly one of runtime and container"),
        (
            "!has(self.container) || (!has(self.resources) && !has(self.env) && !has(self.volumeMounts))",
            "resources, env and volumeMounts go with runtime; with container set them inside it",
        ),
        (
            "!has(self.container) || !has(self.container.port) || !(self.container.port in [8080, 9090, 9091, 15000])",
            "container.port must not be 8080, 9090, 9091 or 15000: those belong to the proxy",
        ),
        (
            "!has(self.container) || !has(self.container.grpcPort)"
            " || !(self.container.grpcPort in [8080, 9090, 9091, 15000])",
            "container.grpcPort must not be 8080, 9090, 9091 or 15000: those belong to the proxy",
        ),
    )

    runtime: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    """A preset of the chart, such as sklearn, xgboost, lightgbm or onnx."""
    resources: Resources | None = None
    """What the preset's container asks for and may use, instead of the preset's own."""
    env: Environment | None = None
    """Environment variables for the preset's container."""
    volume_mounts: VolumeMounts | None = None
    """Where the volumes of `pod` are in the preset's container."""
    container: ServerContainer | None = None
    """A server of the user's own."""
    warm_up: WarmUp | None = None
    """What a new Pod's model must have answered before the Pod gets requests."""


class Limits(Model):
    """What a Pod takes on. More of it is refused at once, with a status that says why."""

    model_config = rules(
        minimum_duration("timeout", "1ms"),
        (
            "!has(self.maxBody) || !isQuantity(string(self.maxBody))"
            " || (quantity(string(self.maxBody)).isGreaterThan(quantity('0'))"
            " && quantity(string(self.maxBody)).isLessThan(quantity('4Gi')))",
            "maxBody must be more than 0 and less than 4Gi",
        ),
    )

    timeout: DurationText | None = None
    """How long a request may take as a whole, streamed answers too: then 504. Absent: as long as it wants, but with no
    silence of 15 minutes. A gRPC client's own deadline always counts."""
    max_body: Quantity | None = None
    """The largest body of a request, such as 16Mi: beyond it 413. One that tells no Content-Length is held until it is
    complete. gRPC is left to the model's server, which finds the bytes in MODELOPS_MAX_BODY_BYTES: that of sklearn,
    xgboost, lightgbm and onnx ends calls with longer messages as RESOURCE_EXHAUSTED. Absent: no limit, and nothing is
    held; that server takes up to 64Mi over gRPC."""
    max_concurrency: Annotated[int, Field(ge=1, le=10000)] | None = None
    """How many requests a Pod's model works on at once: beyond it 429 with Retry-After. Absent: 10000."""


class RequestsInFlight(Model):
    """Scale by the requests that each Pod is working on. Needs an adapter that serves the metric
    `modelops_requests_in_flight` of Pods through the custom metrics API.
    """

    target: Annotated[int, Field(ge=1)]
    """How many a Pod shall have on average."""


class Replicas(Model):
    """How many Pods serve."""

    model_config = rules(
        ("!has(self.max) || self.max >= (has(self.min) ? self.min : 1)", "max must not be less than min"),
        (
            "!has(self.max) || has(self.targetCPU) || has(self.requestsInFlight)",
            "max needs targetCPU or requestsInFlight: by which to scale",
        ),
        (
            "has(self.max) || (!has(self.targetCPU) && !has(self.requestsInFlight))",
            "targetCPU and requestsInFlight need max",
        ),
    )

    min: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many Pods serve; with max, at least. Never 0: there would be nobody to notice the first request."""
    max: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many Pods serve at most. A HorizontalPodAutoscaler decides between the two."""
    target_cpu: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, alias="targetCPU")
    """How much of the CPU that they ask for the Pods shall use on average, in percent. Needs a metrics-server."""
    requests_in_flight: RequestsInFlight | None = None
    """How many requests each Pod shall be working on."""


class ParentRef(Model):
    """A Gateway, as in an HTTPRoute."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The Gateway's name."""
    namespace: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    """Its namespace. Absent: this one."""
    section_name: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    """One listener of it. Absent: all of them."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """One port of it."""


class Gateway(Model):
    """Traffic that comes in through a Gateway of the Gateway API: an HTTPRoute has the weights, instead of Envoy."""

    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=8), list_atomic()]
    """The Gateways."""
    hostnames: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=253)]], Field(max_length=16), list_set()
    ] = Field(default_factory=list)
    """The hosts that it answers for. Absent: all of the listener's."""
    path_prefix: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=512)] = "/"
    """Requests whose path begins with this come here; the path stays as it is."""


class InferenceServiceSpec(Model):
    """Which model serves, and with what."""

    model_config = rules(
        (
            "!has(self.gateway) || !has(self.rollout) || !has(self.rollout.analysis)"
            " || !has(self.rollout.analysis.agreement)",
            "rollout.analysis.agreement compares copies that the Pods' own proxies make: remove it, or gateway",
        )
    )

    model: ServedModel
    """Which version serves."""
    server: Server
    """What serves it."""
    replicas: Replicas = Field(default_factory=Replicas)
    """How many Pods serve."""
    pod: ServingPodOptions = Field(default_factory=ServingPodOptions)
    """Where and as whom the Pods run, and what volumes they have."""
    limits: Limits = Field(default_factory=Limits)
    """What a Pod takes on."""
    rollout: Rollout | None = None
    """How a new version replaces the one that serves. Absent: Pod by Pod."""
    gateway: Gateway | None = None
    """Traffic that comes in through a Gateway. Absent: the Pods' own proxies split it."""

    @property
    def analysis(self) -> Analysis | None:
        """What a candidate must prove, where anything is asked of it."""
        return self.rollout.analysis if self.rollout is not None else None


class InferenceService(Kind):
    """Which model serves, and with what: a new version replaces the old without a lost request."""

    plural: ClassVar[str] = "inferenceservices"
    short_names: ClassVar[tuple[str, ...]] = ("isvc",)
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Version", "string", ".status.stable.version"),
        PrinterColumn("Candidate", "string", ".status.candidate.version"),
        PrinterColumn("Weight", "integer", ".status.candidate.weight"),
        PrinterColumn("Pods", "integer", ".status.stable.ready"),
        PrinterColumn("URL", "string", ".status.url", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: InferenceServiceSpec
    """Which model serves, and with what."""
    status: InferenceServiceStatus = Field(default_factory=InferenceServiceStatus)
    """What serves, and what is about to. Written by the operator."""
