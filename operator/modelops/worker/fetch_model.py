"""fetch-model: download a model to where its server finds it, and refuse it unless its digest is the expected one.

No more is downloaded than the ModelVersion declares: larger files would fill the node's disk before they are refused.
The listing says what the files have together, and each file has at most its size in the listing.
"""

import logging
import shutil
from functools import partial
from itertools import islice
from pathlib import Path

from modelops.api.contract.reports import FetchReport
from modelops.api.contract.tasks import FetchModelTask
from modelops.lineage.digests import ArtifactFile, PinnedObject
from modelops.store.client import S3Client
from modelops.store.fetching import ObjectTooLargeError, fetch
from modelops.store.layout import Location, parse
from modelops.store.listing import list_current
from modelops.worker.model.artifact import MAX_FILES, digest_of
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.installing import install
from modelops.worker.runtime.object_paths import InvalidObjectPathError, relative_path
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of

_log = logging.getLogger(__name__)


def run(task: FetchModelTask) -> FetchReport:
    """Fill the model directory. Raises TaskError and S3Error, and then leaves no file of the model behind."""
    install(("busybox",), ("drain.sh", "warm-up.sh"))
    artifact = parse(task.artifact_uri if task.artifact_uri.endswith("/") else task.artifact_uri + "/")
    client = client_of(task.store)
    root = paths.model()
    root.mkdir(parents=True, exist_ok=True)
    _empty(root)  # Files of an earlier try.
    try:
        objects = _list(client, artifact, task.bytes)
        files = list(map_ordered(objects, partial(_download, client, artifact, root)))
        digest = digest_of(files)
        if digest != task.digest:
            raise TaskError("DigestMismatch", f"{artifact.uri} has the digest {digest}, not {task.digest}")
    except BaseException:
        _empty(root)
        raise
    _log.info("%d files, %s", len(files), digest)
    return FetchReport(objects=len(files), bytes=sum(file.size for file in files))


def _list(client: S3Client, artifact: Location, declared: int) -> list[PinnedObject]:
    """Return the objects of the artifact. Raises TaskError: ArtifactNotFound or ArtifactTooLarge."""
    objects = retry(lambda: list(islice(list_current(client, artifact.bucket, artifact.key).objects, MAX_FILES + 1)))
    if not objects:
        raise TaskError("ArtifactNotFound", f"{artifact.uri} has no objects; was the model deleted?")
    if len(objects) > MAX_FILES:
        raise TaskError(
            "ArtifactTooLarge",
            f"{artifact.uri} has more than {MAX_FILES} objects; restore the model's files, or pack them into fewer",
        )
    size = sum(pinned.size for pinned in objects)
    if size > declared:
        raise TaskError(
            "ArtifactTooLarge",
            f"{artifact.uri} has {size} bytes, and artifact.bytes is {declared}; restore the model's files, or create"
            " a ModelVersion with their size",
        )
    return objects


def _download(client: S3Client, artifact: Location, root: Path, pinned: PinnedObject) -> ArtifactFile:
    try:
        path = relative_path(pinned.key, artifact.key)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
    except (InvalidObjectPathError, FileExistsError, NotADirectoryError) as error:
        raise TaskError(
            "DigestMismatch", f"{artifact.uri} holds a file that is not the model's: {pinned.key}"
        ) from error
    try:
        sha256 = retry(lambda: fetch(client, artifact.bucket, pinned.key, target, max_bytes=pinned.size))
    except ObjectTooLargeError as error:
        raise TaskError(
            "ArtifactTooLarge", f"{artifact.uri}: {error}, its size in the listing; restore the model's files"
        ) from error
    return ArtifactFile(path.as_posix(), target.stat().st_size, sha256)


def _empty(directory: Path) -> None:
    """Delete the content of a directory, but not the directory, which is a mount."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
