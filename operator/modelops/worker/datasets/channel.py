"""One dataset as a trainer finds it: fetched from its bucket, or verified where its volume is mounted."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.api.contract.tasks import FetchDataset, S3Place
from modelops.lineage.digests import BY_CONTENT, NotAManifestError, PinnedObject
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import fetch
from modelops.store.layout import parse
from modelops.worker.datasets.download import Wanted, bring
from modelops.worker.datasets.download_journal import Journal
from modelops.worker.datasets.manifests import Manifest, digest_of_file
from modelops.worker.datasets.volume import PathEscapesVolumeError, content
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.object_paths import InvalidObjectPathError, Places
from modelops.worker.runtime.parallel import each
from modelops.worker.runtime.retry import patiently
from modelops.worker.runtime.stores import client_of

_JOURNALS = ".fetched"
_log = logging.getLogger(__name__)


class Brought(NamedTuple):
    """How much is there."""

    objects: int
    bytes: int


def fill(dataset: FetchDataset, store: S3Place) -> Brought:
    """Have every object of the dataset's manifest on disk, verified. Raises TaskError and S3Error."""
    manifest = _manifest(dataset, store)
    objects = size = 0
    for one in _fetched(dataset, dataset.source, manifest) if dataset.source else _verified(dataset, manifest):
        objects, size = objects + 1, size + one.size
    _log.info("dataset %s: %d objects, %d bytes, %s", dataset.name, objects, size, dataset.digest)
    return Brought(objects, size)


def _manifest(dataset: FetchDataset, store: S3Place) -> Manifest:
    """The manifest, proven by its digest: whatever it lists is what the run's input key speaks of."""
    location = parse(dataset.manifest)
    file = paths.scratch() / "manifest"
    client = client_of(store)
    try:
        patiently(lambda: fetch(client, location.bucket, location.key, file))
    except S3Error as problem:
        if problem.reason is not Reason.NO_SUCH_KEY:
            raise
        raise TaskError("ManifestMissing", f"{dataset.manifest} is gone; take a new snapshot of the data") from problem
    if digest_of_file(file) != dataset.digest:
        raise TaskError(
            "DigestMismatch",
            f"{dataset.manifest} has the digest {digest_of_file(file)}, not {dataset.digest}: it was altered",
        )
    return Manifest(file, dataset.digest, 0, 0)


def _entries(dataset: FetchDataset, manifest: Manifest) -> Iterator[PinnedObject]:
    try:
        yield from manifest.entries()
    except NotAManifestError as error:
        raise TaskError("DigestMismatch", f"{dataset.manifest}: {error}") from error


def _directory(dataset: FetchDataset) -> Path:
    return paths.ml() / "input" / "data" / dataset.name


def _fetched(dataset: FetchDataset, source: S3Place, manifest: Manifest) -> Iterator[PinnedObject]:
    directory = _directory(dataset)
    directory.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(dataset, source, manifest, directory)
    try:
        with Journal(paths.ml() / "input" / _JOURNALS / dataset.name, dataset.digest) as journal:
            for one in bring(client_of(source), source.bucket, wanted, journal=journal):
                yield one.pinned
    except IsADirectoryError as error:
        name = Path(error.filename).relative_to(directory)
        raise TaskError(
            "UnusableKey", f'dataset {dataset.name}: "{name}" is both an object and a prefix of others; rename one'
        ) from error


def _wanted(dataset: FetchDataset, source: S3Place, manifest: Manifest, directory: Path) -> Iterator[Wanted]:
    places = Places(source.prefix)
    for pinned in _entries(dataset, manifest):
        try:
            target = directory / places.place(pinned.key)
            target.parent.mkdir(parents=True, exist_ok=True)
        except InvalidObjectPathError as error:
            raise TaskError("UnusableKey", f"dataset {dataset.name}: {error}") from error
        except (FileExistsError, NotADirectoryError) as error:
            # S3 can hold `a` and `a/b`; a file system cannot.
            raise TaskError(
                "UnusableKey", f'dataset {dataset.name}: "{pinned.key}" is below another object; rename one'
            ) from error
        yield Wanted(pinned, target)


def _verified(dataset: FetchDataset, manifest: Manifest) -> Iterator[PinnedObject]:
    yield from each(_entries(dataset, manifest), partial(_verify, dataset))


def _verify(dataset: FetchDataset, pinned: PinnedObject) -> PinnedObject:
    if pinned.version_id != BY_CONTENT:
        raise TaskError("DigestMismatch", f"{dataset.manifest} is not the manifest of a volume")
    try:
        found, sha256 = content(_directory(dataset), pinned.key)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PathEscapesVolumeError) as error:
        raise _missing(dataset, pinned, "is gone") from error
    except PermissionError as error:
        raise TaskError(
            "AccessDenied",
            f'dataset {dataset.name}: "{pinned.key}" cannot be read; let the Pod\'s user or its group read the volume',
        ) from error
    if found.size != pinned.size or sha256 != pinned.etag:
        raise _missing(dataset, pinned, "is not what it was")
    return pinned


def _missing(dataset: FetchDataset, pinned: PinnedObject, how: str) -> TaskError:
    return TaskError(
        Reason.PINNED_VERSION_MISSING,
        f'dataset {dataset.name}: the file "{pinned.key}" {how} since the snapshot; take a new snapshot of the data',
    )
