"""The operator's own settings: one YAML file, written by the chart."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from modelops.api.base import Model
from modelops.api.contract.tasks import S3Place
from modelops.api.pods import EnvVar, Resources
from modelops.api.types import DurationText


class Images(Model):
    """The project's own images that the operator starts."""

    worker: str
    monitor: str


class Store(Model):
    """Where manifests, profiles and models go."""

    url: str
    endpoint: str | None = None
    region: str | None = None
    secret_name: str | None = None

    @property
    def place(self) -> S3Place:
        """The store as a task names it."""
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        return S3Place(
            bucket=bucket,
            prefix=prefix + "/" if prefix else "",
            endpoint=self.endpoint,
            region=self.region,
            secret_name=self.secret_name,
        )


class ServingRuntime(Model):
    """A preset of a server. `{model_name}`, `{model_dir}`, `{model_version}`, `{format}`, `{http_port}` and
    `{grpc_port}` in command, args and the values of env are filled in.
    """

    image: str
    command: list[str] | None = None
    args: list[str] = Field(default_factory=list)
    env: list[EnvVar] = Field(default_factory=list)
    formats: list[str]
    http_port: int = 8081
    grpc_port: int | None = None
    readiness_path: str = "/v2/health/ready"
    resources: Resources | None = None


class Election(Model):
    """The Lease that decides which replica acts."""

    enabled: bool = True
    namespace: str = "default"
    name: str = "modelops"
    lease_seconds: int = 15
    renew_seconds: int = 10
    retry_seconds: int = 2


class Settings(Model):
    """Everything that the chart decides."""

    images: Images
    store: Store
    runtimes: dict[str, ServingRuntime] = Field(default_factory=dict)
    watch_namespaces: list[str] = Field(default_factory=list)
    election: Election = Field(default_factory=Election)
    image_pull_policy: str = "IfNotPresent"
    cluster_domain: str = "cluster.local"
    workers: Annotated[int, Field(ge=1, le=256)] = 32
    resync: DurationText = "10m"
    http_port: int = 8080
    log_level: str = "INFO"


class SettingsError(Exception):
    """The file cannot be used. Says which field is wrong."""


def load(path: Path) -> Settings:
    """The settings in `path`. Raises SettingsError."""
    try:
        content: Any = yaml.safe_load(path.read_text())
        return Settings.model_validate(content)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {where or 'the file'}: {first['msg']}") from error
