"""Volumes of the user's for the server, as the API server writes them back. Pure."""

from collections.abc import Iterable

from modelops.api.pods import Volume, VolumeMount
from modelops.controllers.containers import mount
from modelops.controllers.inferenceservice.pod.quantities import canonical
from modelops.machinery.resources import Body

_KEPT_WHEN_FALSE = "optional"


def volumes(wanted: Iterable[Volume]) -> list[Body]:
    """The Pod's volumes of the user's."""
    return [_volume(volume) for volume in wanted]


def mounts(wanted: Iterable[VolumeMount]) -> list[Body]:
    """Where they are in the server's container."""
    return [mount(one.name, one.mount_path, read_only=one.read_only, sub_path=one.sub_path) for one in wanted]


def _volume(volume: Volume) -> Body:
    written = volume.wire()
    return {field: _kept(value) if isinstance(value, dict) else value for field, value in written.items()}


def _kept(source: Body) -> Body:
    """Without what says nothing, such as `readOnly: false` of a claim: the API server does not keep it."""
    kept = {
        field: value
        for field, value in source.items()
        if field == _KEPT_WHEN_FALSE or (value is not False and value is not None and value != "")
    }
    if "sizeLimit" in kept:
        kept["sizeLimit"] = canonical(kept["sizeLimit"])
    return kept
