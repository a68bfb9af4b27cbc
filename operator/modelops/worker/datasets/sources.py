"""Sources of a snapshot: a bucket or a volume, which both can be probed, pinned and read."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from modelops.api.contract.tasks import S3Place, SnapshotTask
from modelops.lineage.digests import BY_CONTENT, PinnedObject, UnrepresentableNameError, manifest_line
from modelops.store.errors import Reason, S3Error
from modelops.worker.datasets.download import Download, download_objects
from modelops.worker.datasets.manifests import DatasetManifest, RepeatedKeyError, finish_manifest
from modelops.worker.datasets.pinning import PinnedListing, pin
from modelops.worker.datasets.sorting import sort_lines
from modelops.worker.datasets.volume import (
    PathEscapesVolumeError,
    VolumeFile,
    hash_file,
    open_file,
    parse_line,
    walk_files,
)
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError, task_error_of
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.regular_file import path_of
from modelops.worker.runtime.stores import client_of

_DOWNLOADS = 4
_AHEAD = 8
"""Ranges of objects that are downloaded to the scratch disk ahead of the reading."""


class SourceState(NamedTuple):
    """State of a source as one probe sees it, without reading the data. An equal token means equal data."""

    token: str
    objects: int
    bytes: int
    last_modified: str | None
    """Time at which the newest object was written; None without objects."""


class Source(Protocol):
    """Source of a snapshot. First `probe`, as often as needed, then `pin` the state of the last probe, then `files`."""

    def probe(self) -> SourceState:
        """List the source. Raises TaskError and S3Error."""

    def pin(self) -> DatasetManifest:
        """Pin every object of the last probe. Raises TaskError."""

    def files(self, manifest: DatasetManifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Yield each object of the manifest as a file that exists until the next one is yielded.

        Raises also at the end if the data that was read may differ from the pinned data.
        """

    def translate_errors(self) -> AbstractContextManager[None]:
        """Raise TaskError for any error of the source while its files are read."""

    @property
    def versioned(self) -> bool:
        """Whether every state of the data stays readable."""

    @property
    def change_token(self) -> str | None:
        """Token of the last probe; None if the token is the digest."""

    @property
    def empty(self) -> str:
        """Message for a source without data."""


def open_source(task: SnapshotTask, scratch: Path) -> Source:
    """Return the source that a task names. Raises S3Error."""
    return BucketSource(task.source, scratch) if task.source is not None else VolumeSource(paths.volume(), scratch)


class BucketSource:
    """Objects below a prefix. Listing them pins them, so the token is the digest."""

    def __init__(self, place: S3Place, scratch: Path) -> None:
        self._client = client_of(place)
        self._place = place
        self._scratch = scratch
        self._last: PinnedListing | None = None
        self.change_token = None
        self.empty = f"no objects below s3://{place.bucket}/{place.prefix}; upload data or correct the prefix"

    @property
    def versioned(self) -> bool:
        """Whether the bucket keeps versions."""
        return self._listing.versioned

    def probe(self) -> SourceState:
        """List the objects below the prefix."""
        try:
            self._last = pin(self._client, self._place, self._scratch / "manifest")
        except UnrepresentableNameError as error:
            raise TaskError("UnusableKey", f'bucket "{self._place.bucket}": {error}') from error
        except RepeatedKeyError as error:
            raise TaskError("SourceChanged", f"the data changed during listing: {error}") from error
        manifest = self._last.manifest
        return SourceState(manifest.digest, manifest.objects, manifest.bytes, self._last.last_modified)

    def pin(self) -> DatasetManifest:
        """Return the manifest of the last listing."""
        return self._listing.manifest

    def files(self, manifest: DatasetManifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Yield each object, downloaded to the scratch disk a few ranges ahead of the reading."""
        downloads = (
            Download(pinned, self._scratch / f"object-{number}") for number, pinned in enumerate(manifest.entries())
        )
        for pinned, file in download_objects(
            self._client, self._place.bucket, downloads, threads=_DOWNLOADS, ahead=_AHEAD
        ):
            yield pinned, file
            file.unlink()

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Report a missing pinned object as SourceChanged, since the object was there during the listing."""
        try:
            yield
        except S3Error as error:
            if error.reason is not Reason.PINNED_VERSION_MISSING:
                raise task_error_of(error) from error
            raise _source_changed(error.message) from error

    @property
    def _listing(self) -> PinnedListing:
        assert self._last is not None, "a source is probed before it is pinned"
        return self._last


class VolumeSource:
    """Files of a mounted volume, read in place. Sizes and modification times make the token, content hashes pin."""

    versioned = False
    empty = "no files in the volume's directory; add data or correct source.pvc.path"

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root = root
        self._listed = scratch / "found"
        self._manifest = scratch / "manifest"
        self.change_token: str | None = None

    def probe(self) -> SourceState:
        """Walk the volume."""
        state = self._walk()
        self.change_token = state.token
        return state

    def pin(self) -> DatasetManifest:
        """Hash every file of the last probe."""
        objects = size = 0
        with self.translate_errors(), self._listed.open("rb") as lines, self._manifest.open("wb") as output:
            for file, sha256 in map_ordered(map(parse_line, lines), partial(_hash, self._root)):
                output.write(manifest_line(file.path, BY_CONTENT, file.size, sha256))
                objects, size = objects + 1, size + file.size
        return finish_manifest(self._manifest, objects, size)

    def files(self, manifest: DatasetManifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Yield each file in place; after the last one, raise if the volume has changed since the probe."""
        for pinned in manifest.entries():
            with open_file(self._root, pinned.key) as file:
                yield pinned, path_of(file)
        if self._walk().token != self.change_token:
            raise _source_changed("a file of the volume was written, added or removed")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate errors of the file system to reasons of the API."""
        try:
            yield
        except (UnrepresentableNameError, PathEscapesVolumeError) as error:
            raise TaskError("UnusableKey", f"volume: {error}") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _source_changed(f'"{error.filename}" is missing') from error
        except PermissionError as error:
            raise TaskError(
                "AccessDenied",
                f'volume: no permission to read "{error.filename}"; let the Job\'s user or group read the volume',
            ) from error

    def _walk(self) -> SourceState:
        objects = size = newest = 0
        with self.translate_errors(), self._listed.open("wb") as output:
            for file in walk_files(self._root):
                output.write(file.line)
                objects, size, newest = objects + 1, size + file.size, max(newest, file.modified_ns)
        sort_lines(self._listed)
        with self._listed.open("rb") as lines:
            token = hashlib.file_digest(lines, "sha256").hexdigest()
        return SourceState(token, objects, size, _in_seconds(newest) if objects else None)


def _hash(root: Path, listed: VolumeFile) -> tuple[VolumeFile, str]:
    current, sha256 = hash_file(root, listed.path)
    if current != listed:
        raise _source_changed(f'"{listed.path}" was written to')
    return listed, sha256


def _source_changed(detail: str) -> TaskError:
    return TaskError("SourceChanged", f"the data changed during reading: {detail}")


def _in_seconds(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
