"""What the proxy container is told by its environment: MODELOPS_ and the field's name in capitals."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "MODELOPS_"

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """The container's settings. An absent or empty variable leaves the default."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    listen_address: str = "0.0.0.0"
    """Where requests and scrapes come in. `::` serves both families where the node has IPv6."""
    listen_port: Port = 8080
    stats_port: Port = 9090
    admin_port: Port = 15000
    monitor_port: Port = 9091
    model_port: Port = 8081
    model_grpc_port: Port | None = None
    routes_path: str = Field(default="/etc/modelops/routes/routes.json", pattern=r"^/.*[^/]$")
    """The file that says who answers. Envoy takes every new one."""
    candidate_host: str = Field(default="", pattern=r"^[0-9A-Za-z.:-]*$", max_length=253)
    """Where a candidate answers: the full name of its Service, or an address. Absent: there is never one."""
    candidate_port: Port = 80
    capture_socket: str = Field(default="/tmp/capture.sock", pattern=r"^/.*[^/]$", max_length=107)
    """Where Envoy hands the monitor what it captures: a Unix socket, whose path the system limits to 107 bytes."""
    readiness_path: str = Field(default="/v2/health/ready", pattern=r"^/[\x21-\x7e]*$")

    inference_service: str = ""
    model_name: str = ""
    model_version: str = ""
    artifact_digest: str = ""
    revision: str = ""

    max_body_bytes: int | None = Field(default=None, ge=1, le=2**32 - 1)
    """The largest body of a request. Absent: no limit, and bodies are passed on as they come."""
    max_concurrency: int | None = Field(default=None, ge=1)
    """How many requests the model works on at once."""

    envoy_heap_bytes: int = Field(default=256 * 2**20, ge=32 * 2**20)
    """Where Envoy starts to refuse requests rather than be killed for memory. Keep it below the container's limit."""
    monitor_restarts: int = 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; a value that cannot be right is a pydantic error that names the field."""
        given = {name: environment.get(PREFIX + name.upper(), "") for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in given.items() if value != ""})
