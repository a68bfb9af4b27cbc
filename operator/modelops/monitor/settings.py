"""Settings of the proxy container, read from environment variables: MODELOPS_ and the field's name in capitals."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modelops.monitor.routes_check import ROUTES_PATH

PREFIX = "MODELOPS_"

Port = Annotated[int, Field(ge=1, le=65535)]
SocketPath = Annotated[str, Field(pattern=r"^/.*[^/]$", max_length=107)]
"""Path of a Unix socket, of which Linux allows 107 bytes. The model's container does not mount its directory."""


PathPattern = Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")]


class Settings(BaseModel):
    """Settings of the proxy container. An absent or empty variable leaves the default."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    listen_address: str = "0.0.0.0"
    """Address for requests and scrapes. `::` accepts IPv4 and IPv6 on nodes that have IPv6."""
    listen_port: Port = 8080
    stats_port: Port = 9090
    probe_port: Port = 9091
    """Port of the kubelet's readiness probe, apart from clients' connections."""
    loopback_port: Port = 15000
    """Port of the listeners on loopback: `drain` for the model container's hook, and `fallback`."""
    model_port: Port = 8081
    model_grpc_port: Port | None = None
    routes_path: str = Field(default=ROUTES_PATH, pattern=r"^/.*[^/]$")
    """File of the routes, from the operator's ConfigMap."""
    accepted_routes_path: str = Field(default="/tmp/routes/routes.json", pattern=r"^/.*[^/]$")
    """File of the routes that Envoy applies: the last version of `routes_path` that was accepted."""
    candidate_host: str = Field(default="", pattern=r"^[0-9A-Za-z.:-]*$", max_length=253)
    """Fully qualified name or address of the candidates' Service. Absent: there is never a candidate."""
    candidate_port: Port = 80
    admin_socket: SocketPath = "/tmp/admin.sock"
    """Unix socket of Envoy's admin interface."""
    monitor_socket: SocketPath = "/tmp/monitor.sock"
    """Unix socket of the monitor's pages."""
    capture_socket: SocketPath = "/tmp/capture.sock"
    """Unix socket on which the monitor receives captured requests."""
    paths: tuple[PathPattern, ...] = ()
    """Paths of the model's protocol, as `envoy/paths.py` reads them; the variable has spaces between them. Absent: all
    paths."""
    readiness_path: str = Field(default="/v2/health/ready", pattern=r"^/[\x21-\x7e]*$")

    inference_service: str = ""
    model_name: str = ""
    model_version: str = ""
    artifact_digest: str = ""
    revision: str = ""

    max_body_bytes: int | None = Field(default=None, ge=1, le=2**32 - 1)
    """Greatest size of a request body. Absent: no limit, and bodies are streamed."""
    max_concurrency: int | None = Field(default=None, ge=1)
    """Requests that the model processes at the same time. Absent: 10000."""

    max_connections: int = Field(default=10_000, ge=1)
    """Clients' connections at the same time. Further ones are refused; those to the other ports do not count."""
    connection_idle_seconds: float = Field(default=300, ge=1)
    """Time without a request after which a client's connection is closed."""
    stream_idle_seconds: float = Field(default=900, ge=1)
    """Idle timeout within a request, long enough for slow generation. Without limits.timeout only this ends a request
    that hangs."""
    envoy_heap_bytes: int = Field(default=256 * 2**20, ge=32 * 2**20)
    """Heap size at which Envoy rejects requests to avoid being killed for memory. It must be below the container's
    limit."""
    monitor_restarts: int = 0

    @field_validator("paths", mode="before")
    @classmethod
    def _split_at_spaces(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings. Raises pydantic's ValidationError, which names the field, for an invalid value."""
        variables = {name: environment.get(PREFIX + name.upper(), "") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in variables.items() if value != ""})
