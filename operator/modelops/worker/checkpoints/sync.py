"""Keep one rank's checkpoints in the store: what holds still, and only when something changed."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.fetching import fetch
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import ContentChangedError, put_if_absent
from modelops.worker.checkpoints.manifests import KeptFile, KeptLink, Manifest, RankPlace, Restored
from modelops.worker.checkpoints.scan import Look, Signature, look_at, signature
from modelops.worker.runtime import paths
from modelops.worker.runtime.incomplete_uploads import give_up_uploads
from modelops.worker.runtime.parallel import each

PART_BYTES = 16 << 20
"""Smaller than a model's, since a trainer may write many files at once, and the sidecar's memory is small."""
_UPLOADS = 4
_READ_BYTES = 1 << 20
_PATIENT_LOOKS = 4
_KEPT_MANIFESTS = 2
_QUIET_NANOSECONDS = 2_000_000_000
_log = logging.getLogger(__name__)


class Trainer(Enum):
    """What the trainer does while its checkpoints are looked at."""

    RUNS = "runs"
    """There will be another look."""
    MAY_WRITE = "may write"
    """There will be none, and what moves now may stay half written: also that of a trainer which was killed."""
    ENDED = "ended"
    """What is there is complete."""


class SyncAbandonedError(Exception):
    """Nobody needs the checkpoints any more."""


class Keeper:
    """The only writer of its rank's folder. `restored`: what the trainer began with."""

    def __init__(
        self, root: Path, place: RankPlace, connect: Callable[[], S3Client], restored: Restored | None = None
    ) -> None:
        self._root = root
        self._place = place
        self._connect = connect
        self._client: S3Client | None = None
        self._before = Look()
        self._last_look: tuple[Look, dict[str, Signature]] | None = None
        self._waited = 0
        self._known: dict[str, tuple[Signature, str]] = {}
        self._others: dict[str, tuple[Signature | None, str]] = {}
        self._manifests: dict[str, Manifest] = {}
        self._written: Manifest | None = Manifest()
        self._left_out: set[str] = set()
        self.abandoned = False
        if restored is not None:
            self._begin_with(restored)

    def sync(self, trainer: Trainer) -> bool:
        """Bring the store up to date. Whether there was anything to write.

        Raises S3Error, after which it can be called again, and SyncAbandonedError.
        """
        now, still = self._last_look or self._look(trainer)
        if trainer is not Trainer.RUNS:
            # To try again is not to look again: what is half written does not become whole by holding still.
            self._last_look = now, still
        moving = len(still) < len(now.files)
        self._known = {path: known for path, known in self._known.items() if path in now.files}
        # Files that belong together are best taken together; a file that is written all the time must not hold up all.
        if moving and trainer is Trainer.RUNS and self._waited + 1 < _PATIENT_LOOKS:
            self._waited += 1
            return False
        wanted = self._wanted(now, still, keep_gone=moving and trainer is Trainer.MAY_WRITE)
        if self._written is not None and wanted.same_as(self._written):
            self._waited = 0
            return False
        try:
            written = self._write(wanted)
        except S3Error:
            self._client = None  # The credentials may be others by the next time.
            raise
        self._waited = 0
        return written

    def _look(self, trainer: Trainer) -> tuple[Look, dict[str, Signature]]:
        """What is there, and what of it holds still."""
        now = look_at(self._root)
        before, self._before = self._before, now
        self._tell_left_out(now)
        if trainer is Trainer.ENDED:
            return now, now.files
        still = now.still(before)
        if trainer is Trainer.MAY_WRITE:
            # Both looks may have come after a kill, which is learnt of a moment later.
            latest = time.time_ns() - _QUIET_NANOSECONDS
            still = {path: seen for path, seen in still.items() if seen.modified < latest}
        return now, still

    def _begin_with(self, restored: Restored) -> None:
        """What came from other ranks is theirs to keep, until this one writes to it."""
        if restored.afresh:
            self._written = None  # So that the store does not go on offering what could not be used.
        for rank, manifest in restored.by_rank.items():
            own = rank == self._place.rank
            for file in manifest.files:
                seen = Signature(file.size, file.modified, file.mode)
                self._known[file.path] = (seen, file.sha256)
                if not own:
                    self._others[file.path] = (seen, "")
            for link in manifest.links if not own else ():
                self._others[link.path] = (None, link.target)
            if own:
                self._written = manifest

    def _wanted(self, now: Look, still: Mapping[str, Signature], *, keep_gone: bool) -> Manifest:
        """What moves stays as it was when it last held still, and, at the end, so does what went away meanwhile."""
        last = {file.path: file for file in self._written.files} if self._written is not None else {}
        files = {path: file for path, file in last.items() if keep_gone or path in now.files}
        for path, seen in still.items():
            if self._others.get(path) == (seen, ""):
                files.pop(path, None)
                continue
            sha256 = self._sha256(path, seen)
            if sha256 is not None:
                files[path] = _kept(path, seen, sha256)
        links = {path: target for path, target in now.links.items() if self._others.get(path) != (None, target)}
        return Manifest(
            files=[files[path] for path in sorted(files)],
            links=[KeptLink(path=path, target=links[path]) for path in sorted(links)],
        )

    def _sha256(self, path: str, seen: Signature) -> str | None:
        """None where the file changes or goes away while it is read, or must not be read."""
        known = self._known.get(path)
        if known is not None and known[0] == seen:
            return known[1]
        digest = hashlib.sha256()
        try:
            with (self._root / path).open("rb") as content:
                while chunk := content.read(_READ_BYTES):
                    self._unless_abandoned()
                    digest.update(chunk)
            if signature((self._root / path).stat(follow_symlinks=False)) != seen:
                return None
        except OSError as error:
            _log.info("the checkpoint %s cannot be read: %s", path, error)
            return None
        self._known[path] = (seen, digest.hexdigest())
        return digest.hexdigest()

    def _write(self, wanted: Manifest) -> bool:
        """First the contents, then the manifest: one that is there is complete."""
        client = self._client
        if client is None:
            client = self._connect()
            give_up_uploads(client, self._place.run.bucket, self._place.prefix)
            self._client = client
        there = {one.key: one for one in list_current(client, self._place.run.bucket, self._place.prefix).objects}
        missing = {file.sha256: file for file in wanted.files if self._place.object_key(file.sha256) not in there}
        uploaded = each(missing.values(), partial(self._upload, client), threads=_UPLOADS, ahead=2 * _UPLOADS)
        new = {sha256 for sha256, done in zip(missing, uploaded, strict=True) if done}
        kept = self._complete(wanted, lambda sha256: sha256 in new or self._place.object_key(sha256) in there)
        if self._written is not None and kept.same_as(self._written):
            return False
        newest = max((self._place.time_of(key) or 0 for key in there), default=0)
        # A clock may be behind that of the node before, and the newest manifest is the one with the highest name.
        key = self._place.manifest_key(max(time.time_ns() // 1_000_000, newest + 1))
        self._unless_abandoned()
        if not put_if_absent(client, self._place.run.bucket, key, kept.model_dump_json(by_alias=True).encode()):
            return False  # Another writer has this very millisecond. The next round has another.
        self._manifests[key] = self._written = kept
        _log.info("checkpoints: %d files kept, %d of them new, as %s", len(kept.files), len(new), key)
        self._collect_garbage(client, there, key)
        return True

    def _complete(self, wanted: Manifest, is_there: Callable[[str], bool]) -> Manifest:
        """Without what could not be stored: in its place what was kept before, or nothing."""
        last = {file.path: file for file in self._written.files} if self._written is not None else {}
        files = (file if is_there(file.sha256) else last.get(file.path) for file in wanted.files)
        return Manifest(files=[file for file in files if file and is_there(file.sha256)], links=wanted.links)

    def _upload(self, client: S3Client, file: KeptFile) -> bool:
        """Whether the content is there. A file that is not so any more is for a later round."""
        try:
            put_if_absent(
                client,
                self._place.run.bucket,
                self._place.object_key(file.sha256),
                self._root / file.path,
                part_bytes=PART_BYTES,
                sha256=file.sha256,
                before_part=self._unless_abandoned,
            )
            return True
        except (ContentChangedError, OSError):
            self._known.pop(file.path, None)
            return False

    def _collect_garbage(self, client: S3Client, there: Mapping[str, PinnedObject], newest: str) -> None:
        """Keep the last manifests and what they name. Manifests go first, so that none ever names what is gone."""
        kept, contents = [newest], set(self._manifests[newest].hashes)
        try:
            for key in self._place.newest_first(there):
                manifest = self._manifest(client, key) if len(kept) < _KEPT_MANIFESTS else None
                if manifest is not None:
                    kept.append(key)
                    contents |= manifest.hashes
            named = {*kept, *(self._place.object_key(sha256) for sha256 in contents)}
            for one in sorted(there.values(), key=lambda one: self._place.time_of(one.key) is None):
                self._unless_abandoned()
                if one.key not in named:
                    remove(client, self._place.run.bucket, one)
        except S3Error as problem:
            _log.info("checkpoints that are not needed any more stay for now: %s", problem.message)
        self._manifests = {key: manifest for key, manifest in self._manifests.items() if key in kept}

    def _manifest(self, client: S3Client, key: str) -> Manifest | None:
        """None where it is none: it is not worth keeping."""
        if key not in self._manifests:
            manifest = read_manifest(client, self._place.run.bucket, key)
            if manifest is None:
                return None
            self._manifests[key] = manifest
        return self._manifests[key]

    def _tell_left_out(self, look: Look) -> None:
        for path in look.left_out:
            if path not in self._left_out:
                self._left_out.add(path)
                _log.info("checkpoints: %s is no file that can be kept, and is left out", path)

    def _unless_abandoned(self) -> None:
        if self.abandoned:
            raise SyncAbandonedError


def read_manifest(client: S3Client, bucket: str, key: str) -> Manifest | None:
    """A manifest in the store; None where it is none. Raises S3Error."""
    file = paths.scratch() / "manifest"
    try:
        fetch(client, bucket, key, file)
        return Manifest.model_validate_json(file.read_bytes())
    except ValidationError:
        return None
    finally:
        file.unlink(missing_ok=True)
        file.parent.rmdir()


def _kept(path: str, seen: Signature, sha256: str) -> KeptFile:
    return KeptFile(path=path, size=seen.size, sha256=sha256, mode=seen.mode, modified=max(seen.modified, 0))
