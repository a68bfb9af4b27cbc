"""InferenceService: which model version serves, and with which server."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from modelops.api.base import Model
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.api.kinds import Kind, PrinterColumn
from modelops.api.markers import list_atomic, list_rules, list_set, rules
from modelops.api.pods import Arguments, Environment, Image, Resources, ServingPodOptions, VolumeMounts
from modelops.api.rollout import Analysis, Rollout
from modelops.api.types import DurationText, Hostname, Name, ObjectName, Quantity, minimum_duration


class ServedModel(Model):
    """Which version of a model serves."""

    model_config = rules(
        ("has(self.name) != has(self.version)", "set exactly one of name (with channel) and version"),
        ("!has(self.channel) || has(self.name)", "channel goes with name, not with version"),
    )

    name: Name | None = None
    """Name of a model: its newest Ready version serves, and a newer one replaces it."""
    channel: Literal["Approved"] | None = None
    """Approved: versions that passed their gates and, if required, a person's approval. The default with a name."""
    version: ObjectName | None = None
    """Name of a ModelVersion: this version serves, and no other."""


PathPattern = Annotated[
    str, StringConstraints(pattern=r"^/([A-Za-z0-9._~:@!$&'()+,;=-]|\*|/)*$", min_length=1, max_length=128)
]


class ServerContainer(Model):
    """A model server that the user brings. The model's files are in /mnt/models, read-only."""

    image: Image
    """Image of the server."""
    command: Arguments | None = None
    """Program to run. Absent: the image's entrypoint."""
    args: Arguments = Field(default_factory=list)
    """Arguments of the program."""
    env: Environment = Field(default_factory=list)
    """Environment variables."""
    resources: Resources | None = None
    """Resource requests and limits of the container."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8081
    """Port for HTTP. 8080, 9090, 9091 and 15000 belong to the proxy."""
    grpc_port: Annotated[int, Field(ge=1024, le=65535)] | None = None
    """Port for gRPC. Absent: the server does not support gRPC."""
    volume_mounts: VolumeMounts = Field(default_factory=list)
    """Mounts of the volumes in `pod`."""
    readiness_path: Annotated[str, StringConstraints(pattern=r"^/[ -~]*$", max_length=256)] = "/v2/health/ready"
    """Path that returns 200 when the model is ready."""
    paths: Annotated[list[PathPattern], Field(max_length=64), list_set()] = Field(default_factory=list)
    """Paths that clients may use, such as /predict or /v2/models/*/infer, and gRPC's methods, such as
    /inference.GRPCInferenceService/ModelInfer: any other is answered with 404. `*` matches a part between slashes, and
    /** at the end anything below; neither matches an escaped character. Empty: all paths. List them if the server has
    paths that manage it, such as one that unloads the model."""


class WarmUpRequest(Model):
    """A request that a new Pod's model must answer before the Pod is ready."""

    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=512)]
    """Path of the request, such as /v2/models/mortgage/infer."""
    body: Annotated[str, StringConstraints(max_length=65536)] = ""
    """Body of a POST. Empty: a GET."""
    content_type: Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=128)] = "application/json"
    """Content-Type of the body."""
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often the request is sent, one after the other."""


class WarmUp(Model):
    """Requests that are sent to a new Pod's model after the model is ready and before the Pod is."""

    requests: Annotated[
        list[WarmUpRequest],
        Field(min_length=1, max_length=16),
        list_atomic(),
        list_rules(
            (
                "self.map(r, has(r.body) ? size(r.body) : 0).sum() <= 262144",
                "the bodies must have at most 262144 characters together; set repeat, which stores a request once",
            )
        ),
    ]
    """Requests, in order. A response other than 2xx starts all of them again, and the Pod's Events report it."""


class Server(Model):
    """Server of the model: a preset of the chart, or a container."""

    model_config = rules(
        ("has(self.runtime) != has(self.container)", "set exactly one of runtime and container"),
        (
            "!has(self.container) || (!has(self.resources) && !has(self.env) && !has(self.volumeMounts))",
            "resources, env and volumeMounts go with runtime; with container set them inside it",
        ),
        (
            "!has(self.env) || !self.env.exists(v, v.name.matches('^(MODELOPS_.*|LD_.*|PYTHON(PATH|HOME|STARTUP"
            "|USERBASE|PYCACHEPREFIX))$'))",
            "env must not set MODELOPS_..., LD_..., PYTHONPATH, PYTHONHOME, PYTHONSTARTUP, PYTHONUSERBASE or"
            " PYTHONPYCACHEPREFIX: these decide what the preset loads; set them in the chart, or use container",
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

    runtime: Name | None = None
    """Preset of the chart, such as sklearn, skops, xgboost, lightgbm or onnx."""
    resources: Resources | None = None
    """Resource requests and limits of the preset's container. Absent: the preset's own."""
    env: Environment | None = None
    """Environment variables of the preset's container, but for those that decide what it loads."""
    volume_mounts: VolumeMounts | None = None
    """Mounts of the volumes in `pod` in the preset's container."""
    container: ServerContainer | None = None
    """Server that the user brings."""
    warm_up: WarmUp | None = None
    """Requests that a new Pod's model must answer before the Pod is ready."""


class Limits(Model):
    """Limits of a Pod. The proxy refuses a request beyond them at once, with a status that says why."""

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
    """Longest duration of a request, streamed responses included: beyond it 504. Absent: no limit, but a silence of 15
    minutes ends the request. The deadline of a gRPC client always counts."""
    max_body: Quantity | None = None
    """Largest request body, such as 16Mi: beyond it 413. A body without Content-Length gets 411.
    Absent: that of the chart, 16Mi by default. The proxy does not limit gRPC: the model server reads the limit from
    MODELOPS_MAX_BODY_BYTES. The presets sklearn, skops, xgboost, lightgbm and onnx end a call with a longer message by
    RESOURCE_EXHAUSTED."""
    max_concurrency: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Most requests that a Pod's model handles at once: beyond it 429 with Retry-After. Absent: 10000."""


class RequestsInFlight(Model):
    """Scale by the requests in flight of each Pod.

    Needs an adapter that serves the Pods' metric `modelops_requests_in_flight` through the custom metrics API.
    """

    target: Annotated[int, Field(ge=1)]
    """Average number of requests in flight per Pod."""


class Replicas(Model):
    """Number of Pods that serve."""

    model_config = rules(
        ("!has(self.max) || self.max >= (has(self.min) ? self.min : 1)", "max must not be less than min"),
        (
            "!has(self.max) || has(self.targetCPU) || has(self.requestsInFlight)",
            "max needs targetCPU or requestsInFlight to scale by",
        ),
        (
            "has(self.max) || (!has(self.targetCPU) && !has(self.requestsInFlight))",
            "targetCPU and requestsInFlight need max",
        ),
    )

    min: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of Pods, or the fewest where max is set. Never 0: a request could not wake a Pod."""
    max: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most Pods. A HorizontalPodAutoscaler chooses a number between min and max."""
    target_cpu: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, alias="targetCPU")
    """Average CPU usage of the Pods in percent of the CPU that they request. Needs a metrics-server."""
    requests_in_flight: RequestsInFlight | None = None
    """Scale by requests in flight."""


class ParentRef(Model):
    """A Gateway, as in an HTTPRoute."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: Name | None = None
    """Namespace of the Gateway. Absent: the InferenceService's."""
    section_name: ObjectName | None = None
    """One listener of the Gateway. Absent: all listeners."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """One port of the Gateway. Absent: all ports."""


class Gateway(Model):
    """Traffic through a Gateway of the Gateway API: an HTTPRoute has the weights, in place of the Pods' proxies."""

    parent_refs: Annotated[list[ParentRef], Field(min_length=1, max_length=8), list_atomic()]
    """Gateways that the HTTPRoute attaches to."""
    hostnames: Annotated[list[Hostname], Field(max_length=16), list_set()] = Field(default_factory=list)
    """Hostnames of the HTTPRoute. Absent: all hostnames of the listener."""
    path_prefix: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=512)] = "/"
    """Prefix of the paths that are routed to the model. The path is not rewritten."""


class InferenceServiceSpec(Model):
    """Which model version serves, and with which server."""

    model_config = rules(
        (
            "!has(self.gateway) || !has(self.rollout) || !has(self.rollout.analysis)"
            " || !has(self.rollout.analysis.agreement)",
            "rollout.analysis.agreement compares requests that the Pods' proxies mirror: remove it, or gateway",
        )
    )

    model: ServedModel
    """Version that serves."""
    server: Server
    """Server of the model."""
    replicas: Replicas = Field(default_factory=Replicas)
    """Number of Pods."""
    pod: ServingPodOptions = Field(default_factory=ServingPodOptions)
    """Scheduling, identity and volumes of the Pods."""
    limits: Limits = Field(default_factory=Limits)
    """Limits of each Pod."""
    rollout: Rollout | None = None
    """How a new version replaces the stable version. Absent: Pod by Pod, with a deadline of 10m."""
    gateway: Gateway | None = None
    """Gateways of the Gateway API that split the traffic. Absent: the Pods' proxies split it."""

    @property
    def analysis(self) -> Analysis | None:
        """Checks that a candidate must pass, if the spec has any."""
        return self.rollout.analysis if self.rollout is not None else None


class InferenceService(Kind):
    """A model version behind a stable address. A new version replaces the old one without a lost request."""

    plural: ClassVar[str] = "inferenceservices"
    short_names: ClassVar[tuple[str, ...]] = ("isvc",)
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn("Version", "string", ".status.stable.version"),
        PrinterColumn("Candidate", "string", ".status.candidate.version", priority=1),
        PrinterColumn("Weight", "integer", ".status.candidate.weight"),
        PrinterColumn("Pods", "integer", ".status.stable.ready", priority=1),
        PrinterColumn("URL", "string", ".status.url", priority=1),
        PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    )

    spec: InferenceServiceSpec
    """Which model version serves, and with which server."""
    status: InferenceServiceStatus = Field(default_factory=InferenceServiceStatus)
    """Stable version, candidate and failed versions. Written by the operator."""
