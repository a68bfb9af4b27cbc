"""Validation of what admission cannot check: misconfigurations that a person must fix. Pure."""

import posixpath

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.containers import SHARED_DIR
from modelops.controllers.inferenceservice.pod.model_server import (
    MODEL_DIR,
    Misconfiguration,
    ModelServer,
    format_mismatch,
    model_server,
    overridden_variable,
)
from modelops.controllers.inferenceservice.pod.scaling import missing_cpu_request
from modelops.controllers.inferenceservice.pod.warm_up import CONFIG_DIR, oversized
from modelops.machinery.settings import Settings


def validate(service: InferenceService, settings: Settings, version: ModelVersion) -> Misconfiguration | None:
    """Return the first misconfiguration of a service with this version; None where there is none.

    The runtime must be known.
    """
    server = model_server(service, settings, version)
    return (
        format_mismatch(service, settings, version)
        or overridden_variable(service, settings)
        or _reserved_path(server)
        or _missing_volume(service, server)
        or oversized(service)
        or missing_cpu_request(service, server)
    )


def _reserved_path(server: ModelServer) -> Misconfiguration | None:
    """Return the problem of a mount that would hide the model or a file of the operator's.

    Admission refuses these too, but not in an object that was stored under an older definition.
    """
    for volume_mount in server.volume_mounts:
        path = posixpath.normpath("/" + volume_mount.mount_path.lstrip("/"))
        if path == "/tmp" or any(_overlaps(path, reserved) for reserved in (MODEL_DIR, SHARED_DIR, CONFIG_DIR)):
            return Misconfiguration(
                "MountPathReserved",
                f"volume {volume_mount.name}, mounted by the server at {volume_mount.mount_path}, would hide what the "
                "operator mounts there: choose another mountPath",
            )
    return None


def _overlaps(path: str, reserved: str) -> bool:
    return f"{reserved}/".startswith(path.rstrip("/") + "/") or path.startswith(f"{reserved}/")


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
