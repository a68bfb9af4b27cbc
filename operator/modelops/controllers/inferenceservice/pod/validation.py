"""What a person must change before the server can run as the spec wants it, and admission cannot see. Pure."""

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.pod.model_server import ModelServer, Unusable, mismatch, model_server
from modelops.controllers.inferenceservice.pod.scaling import unscalable
from modelops.controllers.inferenceservice.pod.warm_up import too_large
from modelops.machinery.settings import Settings


def unusable(service: InferenceService, settings: Settings, version: ModelVersion) -> Unusable | None:
    """The first thing that is wrong. The runtime must be known."""
    server = model_server(service, settings, version)
    return (
        mismatch(service, settings, version)
        or _no_such_volume(service, server)
        or too_large(service)
        or unscalable(service, server)
    )


def _no_such_volume(service: InferenceService, server: ModelServer) -> Unusable | None:
    known = [volume.name for volume in service.spec.pod.volumes]
    for mounted in server.volume_mounts:
        if mounted.name not in known:
            return Unusable(
                "VolumeNotFound",
                f'the server mounts a volume "{mounted.name}" at {mounted.mount_path}; pod.volumes has '
                f"{', '.join(known) or 'none'}",
            )
    return None
