"""What a person must change before the server can run as the spec wants it, and admission cannot see. Pure."""

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.pod.model_server import (
    Misconfiguration,
    ModelServer,
    format_mismatch,
    model_server,
)
from modelops.controllers.inferenceservice.pod.scaling import missing_cpu_request
from modelops.controllers.inferenceservice.pod.warm_up import oversized
from modelops.machinery.settings import Settings


def validate(service: InferenceService, settings: Settings, version: ModelVersion) -> Misconfiguration | None:
    """The first thing that is wrong. The runtime must be known."""
    server = model_server(service, settings, version)
    return (
        format_mismatch(service, settings, version)
        or _no_such_volume(service, server)
        or oversized(service)
        or missing_cpu_request(service, server)
    )


def _no_such_volume(service: InferenceService, server: ModelServer) -> Misconfiguration | None:
    known = [volume.name for volume in service.spec.pod.volumes]
    for mounted in server.volume_mounts:
        if mounted.name not in known:
            return Misconfiguration(
                "VolumeNotFound",
                f'the server mounts a volume "{mounted.name}" at {mounted.mount_path}; pod.volumes has '
                f"{', '.join(known) or 'none'}",
            )
    return None
