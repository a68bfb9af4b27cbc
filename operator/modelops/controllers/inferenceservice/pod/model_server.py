"""Container that serves the model: a runtime of the chart, or the user's own container. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.pods import EnvVar, Resources, VolumeMount
from modelops.controllers.containers import resources_or_default
from modelops.controllers.inferenceservice.pod.environment import canonical_environment
from modelops.controllers.inferenceservice.pod.placeholders import PLACEHOLDERS, fill_placeholders, has_placeholder
from modelops.controllers.inferenceservice.pod.quantities import canonical_resources, greatest, to_integer
from modelops.machinery.settings import ServingRuntime, Settings

Json = dict[str, Any]
FETCH, PROXY, MODEL = "fetch-model", "proxy", "model"
"""Containers of a Pod, in the order of their start."""
MODEL_DIR = "/mnt/models"
_MEMORY = "memory"
_DEFAULT_REQUESTS = {"cpu": "100m", _MEMORY: "256Mi"}
"""With requests the Pod is not the first to be evicted."""


@dataclass(frozen=True)
class ModelServer:
    """Server of a model, as the runtime or the user's container defines it."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[EnvVar, ...]
    resources: Resources | None
    http_port: int
    grpc_port: int | None
    readiness_path: str
    paths: tuple[str, ...] = ()
    """Paths that clients may use. Empty: all paths."""
    volume_mounts: tuple[VolumeMount, ...] = ()
    max_body_bytes: int | None = None
    """Value of `limits.maxBody`, or the chart's. The proxy enforces it for HTTP; for gRPC only the server can."""
    memory_limit: str | None = None
    """Limit of memory for resources without one. None: no limit."""

    @property
    def probe_path(self) -> str:
        """Readiness path as probes send it: without spaces."""
        return self.readiness_path.replace(" ", "%20")


@dataclass(frozen=True)
class Misconfiguration:
    """Problem of a spec that a person must fix, with reason and message of the condition."""

    reason: str
    message: str


def runtime_of(service: InferenceService, settings: Settings) -> ServingRuntime | Misconfiguration | None:
    """Return the runtime that the spec names; None for a container of the user's own."""
    name = service.spec.server.runtime
    if name is None:
        return None
    runtime = settings.runtimes.get(name)
    if runtime is None:
        known = ", ".join(sorted(settings.runtimes)) or "none"
        return Misconfiguration("RuntimeNotFound", f'runtime "{name}" not found: the chart has {known}')
    return runtime


def format_mismatch(service: InferenceService, settings: Settings, version: ModelVersion) -> Misconfiguration | None:
    """Return the problem of an artifact in a format that the runtime does not load.

    A container of the user's own may load any format.
    """
    name, runtime = service.spec.server.runtime, runtime_of(service, settings)
    format_ = version.spec.artifact.format.value
    if not isinstance(runtime, ServingRuntime) or format_ in runtime.formats:
        return None
    return Misconfiguration(
        "RuntimeFormatMismatch",
        f'format {format_} of ModelVersion {version.metadata.name} not supported by runtime "{name}" '
        f"({', '.join(runtime.formats) or 'none'}): choose another runtime",
    )


def overridden_variable(service: InferenceService, settings: Settings) -> Misconfiguration | None:
    """Return the problem of a variable that decides what the runtime loads, or where it listens.

    Another value would serve other bytes under the name of an approved version, or open a port past the proxy.
    """
    name, runtime = service.spec.server.runtime, runtime_of(service, settings)
    if not isinstance(runtime, ServingRuntime):
        return None
    reserved = {*runtime.reserved_env, *(variable.name for variable in runtime.env if _has_placeholder(variable))}
    overridden = [variable.name for variable in service.spec.server.env or [] if variable.name in reserved]
    if not overridden:
        return None
    return Misconfiguration(
        "VariableReserved",
        f'server.env sets {", ".join(overridden)}, which decides what runtime "{name}" loads or where it listens: '
        f"remove it from server.env, or ask whoever installs the chart to change runtimes.{name}.env",
    )


def model_server(service: InferenceService, settings: Settings, version: ModelVersion) -> ModelServer:
    """Return the server of a version. The runtime must be known."""
    server, defaults = service.spec.server, settings.servers
    limit = service.spec.limits.max_body or defaults.default_max_body
    max_body_bytes = to_integer(limit) if limit is not None else None
    own = server.container
    if own is not None:
        return ModelServer(
            image=own.image,
            command=tuple(own.command or ()),
            args=tuple(own.args),
            env=tuple(own.env),
            resources=own.resources,
            http_port=own.port,
            grpc_port=own.grpc_port,
            readiness_path=own.readiness_path,
            paths=tuple(own.paths),
            volume_mounts=tuple(own.volume_mounts),
            max_body_bytes=max_body_bytes,
            memory_limit=defaults.default_memory_limit,
        )
    runtime = runtime_of(service, settings)
    assert isinstance(runtime, ServingRuntime), "validation has rejected an unknown runtime"
    values = _placeholders(runtime, version)
    limits = (runtime.resources.limits if runtime.resources is not None else None) or {}
    return ModelServer(
        image=runtime.image,
        command=tuple(fill_placeholders(word, values) for word in runtime.command or []),
        args=tuple(fill_placeholders(word, values) for word in runtime.args),
        env=_fill_environment(runtime.env, values, server.env or ()),
        resources=server.resources or runtime.resources,
        http_port=runtime.http_port,
        grpc_port=runtime.grpc_port,
        readiness_path=runtime.readiness_path,
        paths=tuple(runtime.paths),
        volume_mounts=tuple(server.volume_mounts or ()),
        max_body_bytes=max_body_bytes,
        memory_limit=str(limits[_MEMORY]) if _MEMORY in limits else defaults.default_memory_limit,
    )


def container_environment(server: ModelServer, version: ModelVersion) -> list[Json]:
    """Return the variables of every server, then the user's own, which win.

    A user's args can refer to them, for example as `$(MODELOPS_MODEL_NAME)`.
    """
    defaults = {
        "HOME": "/tmp",
        "MODELOPS_MODEL_DIR": MODEL_DIR,
        "MODELOPS_MODEL_NAME": version.spec.model,
        "MODELOPS_MODEL_VERSION": version.metadata.name,
        "MODELOPS_MODEL_FORMAT": version.spec.artifact.format.value,
        "MODELOPS_MODEL_PORT": str(server.http_port),
    }
    if server.max_body_bytes is not None:
        defaults["MODELOPS_MAX_BODY_BYTES"] = str(server.max_body_bytes)
    return canonical_environment(defaults, server.env)


def container_resources(server: ModelServer) -> Json:
    """Return the container's requests and limits, as the API server writes them back.

    Without a limit of memory one client's requests could fill the node. A greater request is then the limit.
    """
    own = resources_or_default(server.resources, {"requests": _DEFAULT_REQUESTS})
    limits = own.get("limits") or {}
    if server.memory_limit is None or _MEMORY in limits:
        return canonical_resources(own)
    # The API server would copy the limit to an absent request.
    requests = {_MEMORY: _DEFAULT_REQUESTS[_MEMORY], **(own.get("requests") or {})}
    limit = greatest(server.memory_limit, requests[_MEMORY])
    return canonical_resources({"requests": requests, "limits": {**limits, _MEMORY: limit}})


def _placeholders(runtime: ServingRuntime, version: ModelVersion) -> dict[str, str]:
    values = {
        "model_name": version.spec.model,
        "model_dir": MODEL_DIR,
        "model_version": version.metadata.name,
        "format": version.spec.artifact.format.value,
        "http_port": str(runtime.http_port),
    }
    if runtime.grpc_port is not None:
        values["grpc_port"] = str(runtime.grpc_port)
    return values


def _has_placeholder(variable: EnvVar) -> bool:
    return variable.value is not None and has_placeholder(variable.value, PLACEHOLDERS)


def _fill_environment(
    variables: Sequence[EnvVar], values: dict[str, str], users: Sequence[EnvVar]
) -> tuple[EnvVar, ...]:
    """Return the runtime's variables with their placeholders filled in, then the user's, which win."""
    names = {variable.name for variable in users}
    filled = [
        variable
        if variable.value is None
        else variable.model_copy(update={"value": fill_placeholders(variable.value, values)})
        for variable in variables
        if variable.name not in names
    ]
    return (*filled, *users)
