"""What fetch and sidecar share of a run's checkpoints: where they are, and what the trainer began with."""

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


def directory() -> Path:
    """Where the trainer has them."""
    return paths.ml() / "checkpoints"


def place_of(uri: str) -> Location:
    """Where a run's checkpoints are kept. Raises TaskError(InvalidTask) for what is no prefix of their own."""
    try:
        place = parse(uri)
    except ValueError as error:
        raise TaskError("InvalidTask", f"checkpoints: {error}") from error
    # All below it is deleted in the end: never a whole bucket, and nothing that only begins with the same letters.
    if not place.key.strip("/") or not place.key.endswith("/"):
        raise TaskError("InvalidTask", f"checkpoints: {uri!r} is no prefix with a slash at its end")
    return place


def remember(restored: Restored) -> None:
    """Leave for the sidecar what the trainer begins with."""
    _memory().write_text(restored.model_dump_json(by_alias=True))


def remembered() -> Restored | None:
    """What fetch has left."""
    try:
        return Restored.model_validate_json(_memory().read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def delete_all(client: S3Client, run: Location) -> int:
    """Delete everything below a run's prefix. How many objects. Raises S3Error."""
    abort_incomplete_uploads(client, run.bucket, run.key)
    objects = list(list_current(client, run.bucket, run.key).objects)
    return sum(1 for _ in map_ordered(objects, partial(remove, client, run.bucket)))


def _memory() -> Path:
    return paths.shared() / "state" / "restored.json"
