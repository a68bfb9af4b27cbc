"""The user's volumes for the model server, as the API server writes them back. Pure."""

from collections.abc import Iterable

from modelops.api.pods import Volume, VolumeMount
from modelops.controllers.containers import mount
from modelops.controllers.inferenceservice.pod.quantities import canonical
from modelops.machinery.resources import Body

_KEPT_WHEN_FALSE = "optional"


def volumes(user_volumes: Iterable[Volume]) -> list[Body]:
    """Build the Pod's volumes."""
    return [_volume(volume) for volume in user_volumes]


def mounts(volume_mounts: Iterable[VolumeMount]) -> list[Body]:
    """Build the volume mounts of the server's container."""
    return [
        mount(user_mount.name, user_mount.mount_path, read_only=user_mount.read_only, sub_path=user_mount.sub_path)
        for user_mount in volume_mounts
    ]


def _volume(volume: Volume) -> Body:
    fields = volume.wire()
    return {field: _canonical_source(value) if isinstance(value, dict) else value for field, value in fields.items()}


def _canonical_source(source: Body) -> Body:
    """Drop empty fields, such as `readOnly: false` of a claim: the API server drops them."""
    kept = {
        field: value
        for field, value in source.items()
        if field == _KEPT_WHEN_FALSE or (value is not False and value is not None and value != "")
    }
    if "sizeLimit" in kept:
        kept["sizeLimit"] = canonical(kept["sizeLimit"])
    return kept
