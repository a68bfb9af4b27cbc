"""fetch-model: download a model to where its server finds it, and refuse it unless its digest is the expected one."""

import logging
import shutil
from functools import partial
from pathlib import Path

from modelops.api.contract.reports import FetchReport
from modelops.api.contract.tasks import FetchModelTask
from modelops.lineage.digests import ArtifactFile, PinnedObject
from modelops.store.client import S3Client
from modelops.store.fetching import fetch
from modelops.store.layout import Location, parse
from modelops.store.listing import list_current
from modelops.worker.model.artifact import digest_of
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
        files = _download(client, artifact, root)
        if not files:
            raise TaskError("ArtifactNotFound", f"{artifact.uri} has no objects; was the model deleted?")
        digest = digest_of(files)
        if digest != task.digest:
            raise TaskError("DigestMismatch", f"{artifact.uri} has the digest {digest}, not {task.digest}")
    except BaseException:
        _empty(root)
        raise
    _log.info("%d files, %s", len(files), digest)
    return FetchReport(objects=len(files), bytes=sum(file.size for file in files))


def _download(client: S3Client, artifact: Location, root: Path) -> list[ArtifactFile]:
    objects = retry(lambda: list(list_current(client, artifact.bucket, artifact.key).objects))
    return list(map_ordered(objects, partial(_download_file, client, artifact, root)))


def _download_file(client: S3Client, artifact: Location, root: Path, pinned: PinnedObject) -> ArtifactFile:
    try:
        path = relative_path(pinned.key, artifact.key)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
    except (InvalidObjectPathError, FileExistsError, NotADirectoryError) as error:
        raise TaskError(
            "DigestMismatch", f"{artifact.uri} holds a file that is not the model's: {pinned.key}"
        ) from error
    sha256 = retry(lambda: fetch(client, artifact.bucket, pinned.key, target))
    return ArtifactFile(path.as_posix(), target.stat().st_size, sha256)


def _empty(directory: Path) -> None:
    """Delete the content of a directory, but not the directory, which is a mount."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
