"""Checkpoint paths of a run, and the record of restored checkpoints that `fetch` passes to the sidecar of its Pod."""

from functools import partial
from pathlib import Path

from pydantic import ValidationError

from modelops.store.client import S3Client
from modelops.store.layout import Location, parse
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.worker.checkpoints.manifests import Restored
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.incomplete_uploads import abort_incomplete_uploads
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.regular_file import open_regular_file

_MAX_RECORD_BYTES = 64 << 20


def directory() -> Path:
    """Return the trainer's checkpoint directory, /opt/ml/checkpoints."""
    return paths.ml() / "checkpoints"


def location_of(uri: str) -> Location:
    """Return the S3 location of a run's checkpoints. Raises TaskError(InvalidTask) unless it is a non-empty prefix."""
    try:
        location = parse(uri)
    except ValueError as error:
        raise TaskError("InvalidTask", f"checkpoints: {error}") from error
    # Everything below is deleted in the end: never a whole bucket, nor keys that only begin with the same letters.
    if not location.key.strip("/") or not location.key.endswith("/"):
        raise TaskError("InvalidTask", f"checkpoints: {uri!r} is not a key prefix that ends with a slash")
    return location


def save_restored(restored: Restored) -> None:
    """Write the record of restored checkpoints to the shared volume, for the sidecar."""
    _restored_file().write_text(restored.model_dump_json(by_alias=True))


def load_restored() -> Restored | None:
    """Return the record that `fetch` wrote; None without a readable record.

    The trainer can write to the directory of the record, so the record is read no further than a valid one can be long.
    """
    content = open_regular_file(_restored_file())
    if content is None:
        return None
    with content:
        text = content.read(_MAX_RECORD_BYTES)
    try:
        return Restored.model_validate_json(text)
    except ValidationError:
        return None


def delete_all(client: S3Client, run: Location) -> int:
    """Delete everything below a run's prefix and return the number of objects. Raises S3Error."""
    abort_incomplete_uploads(client, run.bucket, run.key)
    objects = list(list_current(client, run.bucket, run.key).objects)
    return sum(1 for _ in map_ordered(objects, partial(remove, client, run.bucket)))


def _restored_file() -> Path:
    return paths.shared() / "state" / "restored.json"
