"""Settings of the operator: one YAML file, written by the chart."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationError

from modelops.api.addresses import AddressRules
from modelops.api.base import Model
from modelops.api.contract.tasks import S3Place
from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import PathPattern
from modelops.api.pods import EnvVar, Resources
from modelops.api.rollout import HttpUrl
from modelops.api.types import DurationText

ImportPrefix = Annotated[str, StringConstraints(pattern=r"^s3://[^/]+/([^/]+/)*$")]
"""Prefix, with its slash, of artifacts that may be imported. `{namespace}` is that of the ModelVersion."""


class Images(Model):
    """Images of this project that the operator starts in Pods."""

    worker: str
    monitor: str


class Store(Model):
    """Bucket for manifests, profiles, checkpoints and models."""

    url: str
    endpoint: str | None = None
    region: str | None = None
    secret_name: str | None = None
    import_prefixes: list[ImportPrefix] = Field(default_factory=list)

    def allows_artifact(self, uri: str, namespace: str) -> bool:
        """Return whether a namespace's artifact may be at `uri`: below its own prefix, or below an import prefix.

        Keys with empty segments or dots are refused: some services resolve them, and then they lead elsewhere.
        """
        segments = uri.removeprefix("s3://").removesuffix("/").split("/")
        if any(segment in ("", ".", "..") for segment in segments):
            return False
        place = self.place_of(namespace)
        allowed = (prefix.replace("{namespace}", namespace) for prefix in self.import_prefixes)
        return any(uri.startswith(prefix) for prefix in (f"s3://{place.bucket}/{place.prefix}", *allowed))

    def place_of(self, namespace: str) -> S3Place:
        """Return the namespace's own part of the store, as a task of the worker names it: all that the task may write.

        No two namespaces share a prefix, so that credentials can be limited to one of them.
        """
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        return S3Place(
            bucket=bucket,
            prefix=f"{prefix}/{namespace}/" if prefix else f"{namespace}/",
            endpoint=self.endpoint,
            region=self.region,
            secret_name=self.secret_name,
        )


class ServingRuntime(Model):
    """Preset of a model server.

    The placeholders `{model_name}`, `{model_dir}`, `{model_version}`, `{format}`, `{http_port}` and `{grpc_port}` in
    `command`, `args` and the values of `env` are filled in. An InferenceService must not set a variable of `env` with a
    placeholder, nor one named in `reserved_env`.
    """

    image: str
    command: list[str] | None = None
    args: list[str] = Field(default_factory=list)
    env: list[EnvVar] = Field(default_factory=list)
    reserved_env: list[str] = Field(default_factory=list)
    formats: list[str]
    http_port: int = 8081
    grpc_port: int | None = None
    readiness_path: str = "/v2/health/ready"
    paths: list[PathPattern] = Field(default_factory=list)
    """Paths that clients may use, as in `server.container` of an InferenceService. Empty: all paths."""
    resources: Resources | None = None


class Egress(Model):
    """Addresses to which the operator connects where a user chose the host name, besides the rules for all clusters."""

    deny: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    allow: list[IPv4Network | IPv6Network] = Field(default_factory=list)

    @property
    def rules(self) -> AddressRules:
        """The rules, as connections are checked by them."""
        return AddressRules(tuple(self.deny), tuple(self.allow))


class DatasetSettings(Model):
    """How often Datasets are probed at most."""

    least_interval: DurationText = "1s"

    @property
    def shortest(self) -> timedelta:
        """The least interval."""
        return parse_duration(self.least_interval)


class HookSettings(Model):
    """Hosts of hooks outside the InferenceService's own namespace."""

    allowed: list[str] = Field(default_factory=list)


class SharedPrometheus(Model):
    """Prometheus with the series of several namespaces."""

    url: HttpUrl
    namespace_label: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")] = "namespace"


class PrometheusSettings(Model):
    """Servers that every namespace may query."""

    shared: list[SharedPrometheus] = Field(default_factory=list)


class AnalysisSettings(Model):
    """What the operator asks in the analysis of a rollout, besides Services of the InferenceService's own namespace."""

    hooks: HookSettings = Field(default_factory=HookSettings)
    prometheus: PrometheusSettings = Field(default_factory=PrometheusSettings)


Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}(Mi|Gi|Ti)$")]


class ServerDefaults(Model):
    """Limits of model servers that set none of their own. None: no limit."""

    default_max_body: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,2}(Ki|Mi)|[1-3]Gi)$")] | None = None
    default_memory_limit: Size | None = None


IdleTime = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}(s|m|h)$")]


class ProxySettings(Model):
    """What clients may hold of a model's proxy. The defaults are those of the proxy's own settings."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    idle_timeout: IdleTime = "5m"
    stream_idle_timeout: IdleTime = "15m"


class Disk(Model):
    """Limits of the directories of Pods whose content only the user knows."""

    scratch: Size = "50Gi"
    training: Size = "500Gi"


class Election(Model):
    """Lease of the leader election."""

    enabled: bool = True
    namespace: str = "default"
    name: str = "modelops"
    lease_seconds: int = 15
    renew_seconds: int = 10
    retry_seconds: int = 2


class Settings(Model):
    """All settings. `helm/modelops/values.yaml` documents each of them."""

    images: Images
    store: Store
    runtimes: dict[str, ServingRuntime] = Field(default_factory=dict)
    watch_namespaces: list[str] = Field(default_factory=list)
    datasets: DatasetSettings = Field(default_factory=DatasetSettings)
    analysis: AnalysisSettings = Field(default_factory=AnalysisSettings)
    egress: Egress = Field(default_factory=Egress)
    election: Election = Field(default_factory=Election)
    image_pull_policy: str = "IfNotPresent"
    disk: Disk = Field(default_factory=Disk)
    servers: ServerDefaults = Field(default_factory=ServerDefaults)
    proxy: ProxySettings = Field(default_factory=ProxySettings)
    user_namespaces: bool = False
    cluster_domain: str = "cluster.local"
    workers: Annotated[int, Field(ge=1, le=256)] = 32
    resync: DurationText = "10m"
    mebibytes_per_namespace: Annotated[int, Field(ge=1)] = 64
    http_port: int = 8080
    log_level: str = "INFO"


class SettingsError(Exception):
    """The settings file is missing or invalid. The message names the field."""


def load(path: Path) -> Settings:
    """Load the settings from a YAML file. Raises SettingsError."""
    try:
        content: Any = yaml.safe_load(path.read_text())
        return Settings.model_validate(content)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {where or 'file'}: {first['msg']}") from error
