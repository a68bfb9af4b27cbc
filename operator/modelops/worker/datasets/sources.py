"""Where a snapshot's data is: a bucket or a volume. Both can be looked at, pinned and read."""

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
from modelops.worker.datasets.download import Wanted, bring
from modelops.worker.datasets.manifests import Manifest, RepeatedKeyError, finish
from modelops.worker.datasets.pinning import Pinning, pin
from modelops.worker.datasets.sorting import sort_lines
from modelops.worker.datasets.volume import Found, PathEscapesVolumeError, content, parse, walk
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError, failed_by
from modelops.worker.runtime.parallel import each
from modelops.worker.runtime.stores import client_of

_DOWNLOADS = 4
_AHEAD = 8
"""Pieces of objects that are on the scratch disk ahead of the reading."""


class Look(NamedTuple):
    """What is there, by what can be seen without reading it: the same token is the same data."""

    token: str
    objects: int
    bytes: int
    newest: str | None
    """When the newest object was written."""


class Source(Protocol):
    """Looked at first, maybe more than once; then pinned as it was at the last look; then read."""

    def look(self) -> Look:
        """What is there now. Raises TaskError and S3Error."""

    def pin(self) -> Manifest:
        """Every object of the last look. Raises TaskError."""

    def files(self, manifest: Manifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Each object of the manifest as a file, which is there until the next one is asked for.

        Raises in the end, too, where what was read need not be what was pinned.
        """

    def reading(self) -> AbstractContextManager[None]:
        """Raises TaskError for whatever goes wrong with the source while its files are read."""

    @property
    def versioned(self) -> bool:
        """Whether every state stays readable."""

    @property
    def change_token(self) -> str | None:
        """The last look's token, where it is not the digest."""

    @property
    def empty(self) -> str:
        """What to do where nothing is there."""


def source_of(task: SnapshotTask, scratch: Path) -> Source:
    """The source that a task names. Raises S3Error."""
    return Bucket(task.source, scratch) if task.source is not None else Volume(paths.volume(), scratch)


class Bucket:
    """Objects below a prefix. A listing pins them, so that its digest is the token."""

    def __init__(self, place: S3Place, scratch: Path) -> None:
        self._client = client_of(place)
        self._place = place
        self._scratch = scratch
        self._last: Pinning | None = None
        self.change_token = None
        self.empty = f"there is no object below s3://{place.bucket}/{place.prefix}; upload data or correct the prefix"

    @property
    def versioned(self) -> bool:
        """Whether the bucket keeps versions."""
        return self._pinning.versioned

    def look(self) -> Look:
        """List it."""
        try:
            self._last = pin(self._client, self._place, self._scratch / "manifest")
        except UnrepresentableNameError as error:
            raise TaskError("UnusableKey", f'bucket "{self._place.bucket}": {error}') from error
        except RepeatedKeyError as error:
            raise TaskError("SourceChanged", f"the data changed while it was listed: {error}") from error
        manifest = self._last.manifest
        return Look(manifest.digest, manifest.objects, manifest.bytes, self._last.newest)

    def pin(self) -> Manifest:
        """The listing's manifest."""
        return self._pinning.manifest

    def files(self, manifest: Manifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Each object, brought to the scratch disk a few pieces ahead of the reading."""
        wanted = (
            Wanted(pinned, self._scratch / f"object-{number}") for number, pinned in enumerate(manifest.entries())
        )
        for pinned, file in bring(self._client, self._place.bucket, wanted, threads=_DOWNLOADS, ahead=_AHEAD):
            yield pinned, file
            file.unlink()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A pinned object that is gone was changed, since a moment ago it was there."""
        try:
            yield
        except S3Error as problem:
            if problem.reason is not Reason.PINNED_VERSION_MISSING:
                raise failed_by(problem) from problem
            raise _moved(problem.message) from problem

    @property
    def _pinning(self) -> Pinning:
        assert self._last is not None, "a source is looked at before it is pinned"
        return self._last


class Volume:
    """The files of a mounted volume, read where they are. Their sizes and times make the token, a hash of each pins."""

    versioned = False
    empty = "there is no file in the volume's directory; put data there or correct source.pvc.path"

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root = root
        self._found = scratch / "found"
        self._manifest = scratch / "manifest"
        self.change_token: str | None = None

    def look(self) -> Look:
        """Walk it."""
        look = self._walked()
        self.change_token = look.token
        return look

    def pin(self) -> Manifest:
        """Hash every file that was found."""
        objects = size = 0
        with self.reading(), self._found.open("rb") as lines, self._manifest.open("wb") as output:
            for one, sha256 in each(map(parse, lines), partial(_hashed, self._root)):
                output.write(manifest_line(one.path, BY_CONTENT, one.size, sha256))
                objects, size = objects + 1, size + one.size
        return finish(self._manifest, objects, size)

    def files(self, manifest: Manifest) -> Iterator[tuple[PinnedObject, Path]]:
        """Each file in its place; what was written to meanwhile is noticed in the end."""
        for pinned in manifest.entries():
            yield pinned, self._root / pinned.key
        if self._walked().token != self.change_token:
            raise _moved("a file in the volume was written, added or removed")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What files can be like, in words of the API."""
        try:
            yield
        except (UnrepresentableNameError, PathEscapesVolumeError) as error:
            raise TaskError("UnusableKey", f"the volume: {error}") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _moved(f'"{error.filename}" is gone') from error
        except PermissionError as error:
            raise TaskError(
                "AccessDenied", f'"{error.filename}" cannot be read; let the Job\'s user or its group read the volume'
            ) from error

    def _walked(self) -> Look:
        objects = size = newest = 0
        with self.reading(), self._found.open("wb") as output:
            for one in walk(self._root):
                output.write(one.line)
                objects, size, newest = objects + 1, size + one.size, max(newest, one.modified_ns)
        sort_lines(self._found)
        with self._found.open("rb") as lines:
            token = hashlib.file_digest(lines, "sha256").hexdigest()
        return Look(token, objects, size, _in_seconds(newest) if objects else None)


def _hashed(root: Path, found: Found) -> tuple[Found, str]:
    now, sha256 = content(root, found.path)
    if now != found:
        raise _moved(f'"{found.path}" was written to')
    return found, sha256


def _moved(how: str) -> TaskError:
    return TaskError("SourceChanged", f"the data changed while it was read: {how}")


def _in_seconds(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
