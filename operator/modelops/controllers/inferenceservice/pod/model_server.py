"""What serves the model: a preset of the chart, or a container of the user's own. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.pods import EnvVar, Resources, VolumeMount
from modelops.controllers.containers import environment, resources_or_default
from modelops.controllers.inferenceservice.pod.quantities import canonical_resources, whole
from modelops.machinery.settings import ServingRuntime, Settings

Json = dict[str, Any]
FETCH, PROXY, MODEL = "fetch-model", "proxy", "model"
"""The containers of a Pod, in the order of their starts."""
MODEL_DIR = "/mnt/models"
_DEFAULT_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}}
"""No limits: how much a model needs is not ours to guess. The requests keep it from being evicted first."""
_PLACEHOLDER = re.compile(r"\{(model_name|model_dir|model_version|format|http_port|grpc_port)\}")


@dataclass(frozen=True)
class ModelServer:
    """The container that answers, as far as it depends on who chose it."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[EnvVar, ...]
    resources: Resources | None
    http_port: int
    grpc_port: int | None
    readiness_path: str
    volume_mounts: tuple[VolumeMount, ...] = ()
    max_body_bytes: int | None = None
    """What `limits.maxBody` says: the proxy holds HTTP to it, and gRPC only the server can."""


@dataclass(frozen=True)
class Unusable:
    """A server that a person must choose otherwise."""

    reason: str
    message: str


def runtime_of(service: InferenceService, settings: Settings) -> ServingRuntime | Unusable | None:
    """The preset that the spec names. None where it brings a container of its own."""
    name = service.spec.server.runtime
    if name is None:
        return None
    runtime = settings.runtimes.get(name)
    if runtime is None:
        known = ", ".join(sorted(settings.runtimes)) or "none"
        return Unusable("RuntimeNotFound", f'there is no runtime "{name}"; the chart knows: {known}')
    return runtime


def mismatch(service: InferenceService, settings: Settings, version: ModelVersion) -> Unusable | None:
    """A preset loads the formats it was made for. A container of the user's own loads what it can."""
    runtime = runtime_of(service, settings)
    written = version.spec.artifact.format.value
    if not isinstance(runtime, ServingRuntime) or written in runtime.formats:
        return None
    return Unusable(
        "RuntimeFormatMismatch",
        f'ModelVersion {version.metadata.name} is written as {written}, and runtime "{service.spec.server.runtime}" '
        f"loads {', '.join(runtime.formats) or 'nothing'}",
    )


def model_server(service: InferenceService, settings: Settings, version: ModelVersion) -> ModelServer:
    """The server of a version. The runtime must be known."""
    server, limit = service.spec.server, service.spec.limits.max_body
    max_body_bytes = whole(limit) if limit is not None else None
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
            volume_mounts=tuple(own.volume_mounts),
            max_body_bytes=max_body_bytes,
        )
    runtime = runtime_of(service, settings)
    assert isinstance(runtime, ServingRuntime), "an unknown runtime is answered before"
    filled = _Filled(runtime, version)
    return ModelServer(
        image=runtime.image,
        command=filled.all_of(runtime.command or []),
        args=filled.all_of(runtime.args),
        env=_over(filled.environment(runtime.env), server.env or []),
        resources=server.resources or runtime.resources,
        http_port=runtime.http_port,
        grpc_port=runtime.grpc_port,
        readiness_path=runtime.readiness_path,
        volume_mounts=tuple(server.volume_mounts or ()),
        max_body_bytes=max_body_bytes,
    )


def container_environment(server: ModelServer, version: ModelVersion) -> list[Json]:
    """What every server may want to know, then the user's own variables, which win.

    A user's args can name them as `$(MODELOPS_MODEL_NAME)`. The API server drops an empty value, and so is it here.
    """
    known = {
        "HOME": "/tmp",
        "MODELOPS_MODEL_DIR": MODEL_DIR,
        "MODELOPS_MODEL_NAME": version.spec.model,
        "MODELOPS_MODEL_VERSION": version.metadata.name,
        "MODELOPS_MODEL_FORMAT": version.spec.artifact.format.value,
        "MODELOPS_MODEL_PORT": str(server.http_port),
    }
    if server.max_body_bytes is not None:
        known["MODELOPS_MAX_BODY_BYTES"] = str(server.max_body_bytes)
    users = environment(server.env)
    taken = {variable["name"] for variable in users}
    return [
        *({"name": name, "value": value} for name, value in known.items() if name not in taken),
        *({key: value for key, value in variable.items() if value != ""} for variable in users),
    ]


def container_resources(server: ModelServer) -> Json:
    """What the container asks for and may use, as the API server writes it."""
    return canonical_resources(resources_or_default(server.resources, _DEFAULT_RESOURCES))


def _over(preset: list[EnvVar], users: list[EnvVar]) -> tuple[EnvVar, ...]:
    """The user's variables win over the preset's."""
    taken = {variable.name for variable in users}
    return (*(variable for variable in preset if variable.name not in taken), *users)


class _Filled:
    """A preset's words with the placeholders filled in: in one pass, so that what is filled in is never read again."""

    def __init__(self, runtime: ServingRuntime, version: ModelVersion) -> None:
        self._values = {
            "model_name": version.spec.model,
            "model_dir": MODEL_DIR,
            "model_version": version.metadata.name,
            "format": version.spec.artifact.format.value,
            "http_port": str(runtime.http_port),
        }
        if runtime.grpc_port is not None:
            self._values["grpc_port"] = str(runtime.grpc_port)

    def all_of(self, words: list[str]) -> tuple[str, ...]:
        return tuple(self._filled(word) for word in words)

    def environment(self, variables: list[EnvVar]) -> list[EnvVar]:
        return [
            variable if variable.value is None else variable.model_copy(update={"value": self._filled(variable.value)})
            for variable in variables
        ]

    def _filled(self, text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: self._values.get(found[1], found[0]), text)
