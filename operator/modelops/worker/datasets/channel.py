"""One dataset where a trainer finds it: downloaded from its bucket, or verified where its volume is mounted."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.api.contract.tasks import FetchDataset, S3Place
from modelops.lineage.digests import BY_CONTENT, NotAManifestError, PinnedObject
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import ObjectTooLargeError, fetch
from modelops.store.layout import parse
from modelops.worker.datasets.download import Download, download_objects
from modelops.worker.datasets.download_journal import DownloadJournal
from modelops.worker.datasets.manifests import MAX_LINE_BYTES, DatasetManifest
from modelops.worker.datasets.volume import PathEscapesVolumeError, hash_file
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.file_digest import digest_of_file
from modelops.worker.runtime.object_paths import InvalidObjectPathError, ObjectPaths
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of

_JOURNALS = ".fetched"
_log = logging.getLogger(__name__)


class ChannelSize(NamedTuple):
    """Size of a dataset on disk."""

    objects: int
    bytes: int


def fill_channel(dataset: FetchDataset, store: S3Place) -> ChannelSize:
    """Download or verify every object of the dataset's manifest.

    Raises:
        TaskError: ManifestMissing, DigestMismatch, UnusableKey, PinnedVersionMissing or AccessDenied.
        S3Error: a bucket does not answer, or an object is not the pinned one.
    """
    manifest = _fetch_manifest(dataset, store)
    objects = size = 0
    for pinned in _download(dataset, dataset.source, manifest) if dataset.source else _verify_all(dataset, manifest):
        objects, size = objects + 1, size + pinned.size
    _log.info("dataset %s: %d objects, %d bytes, %s", dataset.name, objects, size, dataset.digest)
    return ChannelSize(objects, size)


def _fetch_manifest(dataset: FetchDataset, store: S3Place) -> DatasetManifest:
    """Fetch the manifest and verify its digest: the run's input key holds that digest, so no other list is allowed."""
    location = parse(dataset.manifest)
    file, max_bytes = paths.scratch() / "manifest", dataset.objects * MAX_LINE_BYTES
    client = client_of(store)
    try:
        retry(lambda: fetch(client, location.bucket, location.key, file, max_bytes=max_bytes))
    except ObjectTooLargeError as error:
        raise _altered(dataset, f"it has more than {max_bytes} bytes for {dataset.objects} objects") from error
    except S3Error as error:
        if error.reason is not Reason.NO_SUCH_KEY:
            raise
        raise TaskError(
            "ManifestMissing", f"{dataset.manifest}: the manifest is missing; take a new snapshot of the data"
        ) from error
    digest = digest_of_file(file)
    if digest != dataset.digest:
        raise _altered(dataset, f"its digest is {digest}, not {dataset.digest}")
    return DatasetManifest(file, dataset.digest, 0, 0)


def _altered(dataset: FetchDataset, how: str) -> TaskError:
    return TaskError(
        "DigestMismatch",
        f"{dataset.manifest}: the manifest was altered, {how}; restore the original object, or take a new snapshot of"
        " the data",
    )


def _entries(dataset: FetchDataset, manifest: DatasetManifest) -> Iterator[PinnedObject]:
    try:
        yield from manifest.entries()
    except NotAManifestError as error:
        raise TaskError("DigestMismatch", f"{dataset.manifest}: {error}") from error


def _directory(dataset: FetchDataset) -> Path:
    return paths.ml() / "input" / "data" / dataset.name


def _download(dataset: FetchDataset, source: S3Place, manifest: DatasetManifest) -> Iterator[PinnedObject]:
    directory = _directory(dataset)
    directory.mkdir(parents=True, exist_ok=True)
    downloads = _downloads(dataset, source, manifest, directory)
    try:
        with DownloadJournal(paths.ml() / "input" / _JOURNALS / dataset.name, dataset.digest) as journal:
            for download in download_objects(client_of(source), source.bucket, downloads, journal=journal):
                yield download.pinned
    except IsADirectoryError as error:
        name = Path(error.filename).relative_to(directory)
        raise TaskError(
            "UnusableKey",
            f'dataset {dataset.name}: "{name}" is both an object and a prefix of other objects; rename the object',
        ) from error


def _downloads(
    dataset: FetchDataset, source: S3Place, manifest: DatasetManifest, directory: Path
) -> Iterator[Download]:
    """Yield a download for each object of the manifest, and create its directory."""
    object_paths = ObjectPaths(source.prefix)
    for pinned in _entries(dataset, manifest):
        try:
            target = directory / object_paths.path_of(pinned.key)
            target.parent.mkdir(parents=True, exist_ok=True)
        except InvalidObjectPathError as error:
            raise TaskError("UnusableKey", f"dataset {dataset.name}: {error}") from error
        except (FileExistsError, NotADirectoryError) as error:
            # S3 can hold both `a` and `a/b`; a file system cannot.
            raise TaskError(
                "UnusableKey",
                f'dataset {dataset.name}: another object is a prefix of "{pinned.key}"; rename one of the two',
            ) from error
        yield Download(pinned, target)


def _verify_all(dataset: FetchDataset, manifest: DatasetManifest) -> Iterator[PinnedObject]:
    yield from map_ordered(_entries(dataset, manifest), partial(_verify, dataset))


def _verify(dataset: FetchDataset, pinned: PinnedObject) -> PinnedObject:
    if pinned.version_id != BY_CONTENT:
        raise TaskError(
            "DigestMismatch",
            f"{dataset.manifest}: not the manifest of a volume; take a new snapshot of the data",
        )
    try:
        file, sha256 = hash_file(_directory(dataset), pinned.key)
    except (FileNotFoundError, NotADirectoryError, PathEscapesVolumeError) as error:
        raise _not_as_pinned(dataset, pinned, "is missing") from error
    except PermissionError as error:
        raise TaskError(
            "AccessDenied",
            f'dataset {dataset.name}: no permission to read "{pinned.key}"; let the Pod\'s user or group read the'
            " volume",
        ) from error
    if file.size != pinned.size or sha256 != pinned.etag:
        raise _not_as_pinned(dataset, pinned, "has changed")
    return pinned


def _not_as_pinned(dataset: FetchDataset, pinned: PinnedObject, state: str) -> TaskError:
    return TaskError(
        Reason.PINNED_VERSION_MISSING,
        f'dataset {dataset.name}: the file "{pinned.key}" {state} since the snapshot; take a new snapshot of the data',
    )
