"""Validation of what admission cannot check: misconfigurations that a person must fix. Pure."""

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
    """Return the first misconfiguration of a service with this version; None where there is none.

    The runtime must be known.
    """
    server = model_server(service, settings, version)
    return (
        format_mismatch(service, settings, version)
        or _missing_volume(service, server)
        or oversized(service)
        or missing_cpu_request(service, server)
    )


def _missing_volume(service: InferenceService, server: ModelServer) -> Misconfiguration | None:
    known = [volume.name for volume in service.spec.pod.volumes]
    for volume_mount in server.volume_mounts:
        if volume_mount.name not in known:
            return Misconfiguration(
                "VolumeNotFound",
                f'volume "{volume_mount.name}", mounted by the server at {volume_mount.mount_path}, is not in '
                f"pod.volumes ({', '.join(known) or 'none'})",
            )
    return None
