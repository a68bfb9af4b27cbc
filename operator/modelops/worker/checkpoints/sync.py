"""Save one rank's checkpoints to S3: files that have not changed between two scans, and only when something differs."""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from modelops.api.checkpoints import KEPT_FOR_EACH_WORKER, Checkpoint
from modelops.lineage.digests import PREFIX, PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.fetching import ObjectTooLargeError, fetch
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import ContentChangedError, put_if_absent
from modelops.worker.checkpoints.manifests import (
    MAX_MANIFEST_BYTES,
    CheckpointFile,
    CheckpointLink,
    CheckpointManifest,
    RankFolder,
    Restored,
)
from modelops.worker.checkpoints.scan import Scan, Signature, scan, signature
from modelops.worker.runtime import paths
from modelops.worker.runtime.incomplete_uploads import abort_incomplete_uploads
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.regular_file import open_regular_file_beneath, path_of

PART_BYTES = 16 << 20
"""Part size of multipart uploads. Smaller than a model's: a trainer may write many files, and the sidecar is small."""
_UPLOAD_THREADS = 4
_READ_BYTES = 1 << 20
_MAX_DEFERRED_SCANS = 4
_QUIET_NANOSECONDS = 2_000_000_000
_log = logging.getLogger(__name__)


class TrainerState(Enum):
    """Whether the trainer may still write to its checkpoints while they are scanned."""

    RUNS = "runs"
    """The trainer writes, and there will be another scan."""
    MAY_WRITE = "may write"
    """The trainer may be writing, and this is the last scan; also after a kill: the last file may be half written."""
    ENDED = "ended"
    """The trainer has exited and was not killed, so every file is complete."""


class SyncAbandonedError(Exception):
    """The checkpoints are no longer needed."""


class CheckpointSync:
    """Only writer of its rank's folder.

    `restored` has the checkpoints that the trainer began with, `pinned` returns those that the operator has pinned, and
    `on_saved` is told of each new one.
    """

    def __init__(
        self,
        root: Path,
        folder: RankFolder,
        connect: Callable[[], S3Client],
        restored: Restored | None = None,
        *,
        pinned: Callable[[], Sequence[Checkpoint]],
        on_saved: Callable[[Checkpoint], None],
    ) -> None:
        self._root = root
        self._folder = folder
        self._connect = connect
        self._client: S3Client | None = None
        self._previous_scan = Scan()
        self._final_scan: tuple[Scan, dict[str, Signature]] | None = None
        self._deferred = 0
        self._known: dict[str, tuple[Signature, str]] = {}
        self._from_other_ranks: dict[str, tuple[Signature | None, str]] = {}
        self._manifests: dict[str, CheckpointManifest] = {}
        self._digests: dict[str, str] = {}
        self._pinned = pinned
        self._on_saved = on_saved
        self._saved: CheckpointManifest | None = CheckpointManifest()
        self._reported_skipped: set[str] = set()
        self.abandoned = False
        if restored is not None:
            self._begin_with(restored)

    def sync(self, trainer: TrainerState) -> bool:
        """Bring S3 up to date with the directory. Return True if something was written.

        Raises S3Error, after which it can be called again, and SyncAbandonedError.
        """
        now, unchanged = self._final_scan or self._scan(trainer)
        if trainer is not TrainerState.RUNS:
            # A retry uses the same scan: a file does not become complete by staying as it is.
            self._final_scan = now, unchanged
        changing = len(unchanged) < len(now.files)
        self._known = {path: known for path, known in self._known.items() if path in now.files}
        # Files of one checkpoint are best saved together, but a file that always changes must not block the rest.
        if changing and trainer is TrainerState.RUNS and self._deferred + 1 < _MAX_DEFERRED_SCANS:
            self._deferred += 1
            return False
        desired = self._desired(now, unchanged, keep_missing=changing and trainer is TrainerState.MAY_WRITE)
        if self._saved is not None and desired.same_content(self._saved):
            self._deferred = 0
            return False
        try:
            written = self._write(desired)
        except S3Error:
            self._client = None  # The next try may find other credentials.
            raise
        self._deferred = 0
        return written

    def _scan(self, trainer: TrainerState) -> tuple[Scan, dict[str, Signature]]:
        """Return the directory's content, and the files of it that can be saved because they do not change."""
        now = scan(self._root)
        before, self._previous_scan = self._previous_scan, now
        self._report_skipped(now)
        if trainer is TrainerState.ENDED:
            return now, now.files
        unchanged = now.unchanged_since(before)
        if trainer is TrainerState.MAY_WRITE:
            # The sidecar learns of a kill a moment late, so both scans may have come after it.
            latest = time.time_ns() - _QUIET_NANOSECONDS
            unchanged = {path: seen for path, seen in unchanged.items() if seen.modified < latest}
        return now, unchanged

    def _begin_with(self, restored: Restored) -> None:
        """Remember the restored files. Files of other ranks stay theirs until this rank's trainer writes to them."""
        if restored.unusable:
            self._saved = None  # The next manifest then replaces the unusable ones, even if it is empty.
        for rank, manifest in restored.by_rank.items():
            own = rank == self._folder.rank
            for file in manifest.files:
                seen = Signature(file.size, file.modified, file.mode)
                self._known[file.path] = (seen, file.sha256)
                if not own:
                    self._from_other_ranks[file.path] = (seen, "")
            for link in manifest.links if not own else ():
                self._from_other_ranks[link.path] = (None, link.target)
            if own:
                self._saved = manifest

    def _desired(self, now: Scan, unchanged: Mapping[str, Signature], *, keep_missing: bool) -> CheckpointManifest:
        """Return the manifest to write.

        A file that is changing stays as it was last saved. With `keep_missing`, so does a file that was deleted.
        """
        last = {file.path: file for file in self._saved.files} if self._saved is not None else {}
        files = {path: file for path, file in last.items() if keep_missing or path in now.files}
        for path, seen in unchanged.items():
            if self._from_other_ranks.get(path) == (seen, ""):
                files.pop(path, None)
                continue
            sha256 = self._sha256(path, seen)
            if sha256 is not None:
                files[path] = _checkpoint_file(path, seen, sha256)
        links = {
            path: target for path, target in now.links.items() if self._from_other_ranks.get(path) != (None, target)
        }
        return CheckpointManifest(
            files=[files[path] for path in sorted(files)],
            links=[CheckpointLink(path=path, target=links[path]) for path in sorted(links)],
        )

    def _sha256(self, path: str, seen: Signature) -> str | None:
        """Return a file's SHA-256 in hex; None if it cannot be read, or changed since the scan."""
        known = self._known.get(path)
        if known is not None and known[0] == seen:
            return known[1]
        digest = hashlib.sha256()
        try:
            opened = open_regular_file_beneath(self._root, path)
            if opened is None:
                return None
            with opened as content:
                while chunk := content.read(_READ_BYTES):
                    self._raise_if_abandoned()
                    digest.update(chunk)
                if signature(os.fstat(content.fileno())) != seen:
                    return None
        except OSError as error:
            _log.info("checkpoint %s cannot be read: %s", path, error)
            return None
        self._known[path] = (seen, digest.hexdigest())
        return digest.hexdigest()

    def _write(self, desired: CheckpointManifest) -> bool:
        """Write contents, then the manifest, so that a manifest in S3 is always complete."""
        client = self._client
        if client is None:
            client = self._connect()
            abort_incomplete_uploads(client, self._folder.run.bucket, self._folder.prefix)
            self._client = client
        bucket = self._folder.run.bucket
        existing = {pinned.key: pinned for pinned in list_current(client, bucket, self._folder.prefix).objects}
        missing = {file.sha256: file for file in desired.files if self._folder.object_key(file.sha256) not in existing}
        results = map_ordered(
            missing.values(), partial(self._upload, client), threads=_UPLOAD_THREADS, ahead=2 * _UPLOAD_THREADS
        )
        uploaded = {sha256 for sha256, done in zip(missing, results, strict=True) if done}
        manifest = self._with_stored_contents(
            desired, lambda sha256: sha256 in uploaded or self._folder.object_key(sha256) in existing
        )
        if self._saved is not None and manifest.same_content(self._saved):
            return False
        pinned = self._folder.pinned(self._pinned())
        newest = max((self._folder.time_of(key) or 0 for key in (*pinned, *self._digests)), default=0)
        # The newest manifest is the one with the highest key, even if this node's clock is behind the last one's.
        # Keys that nobody has pinned do not count: one of the far future would end the order.
        milliseconds = max(time.time_ns() // 1_000_000, newest + 1)
        key, content = self._folder.manifest_key(milliseconds), manifest.model_dump_json(by_alias=True).encode()
        self._raise_if_abandoned()
        if len(content) > MAX_MANIFEST_BYTES:
            _log.warning("checkpoints of %d files are too many to be saved; write fewer files", len(manifest.files))
            return False
        if not put_if_absent(client, bucket, key, content):
            return False  # Another writer took this millisecond. The next sync takes a later one.
        self._digests[key] = PREFIX + hashlib.sha256(content).hexdigest()
        self._manifests[key] = self._saved = manifest
        self._on_saved(self._folder.pin(milliseconds, self._digests[key]))
        _log.info("checkpoints: saved %d files, %d of them new, as %s", len(manifest.files), len(uploaded), key)
        self._collect_garbage(client, existing, key, pinned)
        return True

    def _with_stored_contents(
        self, desired: CheckpointManifest, is_stored: Callable[[str], bool]
    ) -> CheckpointManifest:
        """Return the manifest without contents that could not be stored. The last saved ones take their place."""
        last = {file.path: file for file in self._saved.files} if self._saved is not None else {}
        files = (file if is_stored(file.sha256) else last.get(file.path) for file in desired.files)
        return CheckpointManifest(
            files=[file for file in files if file and is_stored(file.sha256)], links=desired.links
        )

    def _upload(self, client: S3Client, file: CheckpointFile) -> bool:
        """Return True if the content is in S3. A file that has changed meanwhile is left for a later sync."""
        try:
            opened = open_regular_file_beneath(self._root, file.path)
            if opened is not None:
                with opened as content:
                    put_if_absent(
                        client,
                        self._folder.run.bucket,
                        self._folder.object_key(file.sha256),
                        path_of(content),
                        part_bytes=PART_BYTES,
                        sha256=file.sha256,
                        before_part=self._raise_if_abandoned,
                    )
                return True
        except (ContentChangedError, OSError):
            pass
        self._known.pop(file.path, None)
        return False

    def _collect_garbage(
        self, client: S3Client, existing: Mapping[str, PinnedObject], newest: str, pinned: Mapping[str, str]
    ) -> None:
        """Delete all but the last manifests, the newest one that is pinned, and their contents.

        A manifest that is neither pinned nor this sidecar's own is never restored, and is deleted too. Manifests are
        deleted first, so that no manifest ever names a deleted content.
        """
        kept, contents, has_pinned = [newest], set(self._manifests[newest].hashes), False
        known = {**pinned, **self._digests}
        try:
            for key in sorted(known.keys() & existing.keys(), reverse=True):
                if len(kept) >= KEPT_FOR_EACH_WORKER and (has_pinned or key not in pinned):
                    continue
                manifest = self._manifest(client, key, known[key])
                if manifest is not None:
                    kept.append(key)
                    contents |= manifest.hashes
                    has_pinned = has_pinned or key in pinned
            needed = {*kept, *(self._folder.object_key(sha256) for sha256 in contents)}
            for stored in sorted(existing.values(), key=lambda stored: self._folder.time_of(stored.key) is None):
                self._raise_if_abandoned()
                if stored.key not in needed:
                    remove(client, self._folder.run.bucket, stored)
        except S3Error as problem:
            _log.info("old checkpoints cannot be deleted now: %s", problem.message)
        self._manifests = {key: manifest for key, manifest in self._manifests.items() if key in kept}
        self._digests = {key: digest for key, digest in self._digests.items() if key in kept}

    def _manifest(self, client: S3Client, key: str, digest: str) -> CheckpointManifest | None:
        """Return a manifest in S3; None if it has not the digest, so that it need not be kept."""
        if key not in self._manifests:
            manifest = read_manifest(client, self._folder.run.bucket, key, digest)
            if manifest is None:
                return None
            self._manifests[key] = manifest
        return self._manifests[key]

    def _report_skipped(self, now: Scan) -> None:
        for path in now.skipped:
            if path not in self._reported_skipped:
                self._reported_skipped.add(path)
                _log.info("checkpoints: skipping %s: neither a regular file nor a link inside the directory", path)

    def _raise_if_abandoned(self) -> None:
        if self.abandoned:
            raise SyncAbandonedError


def read_manifest(client: S3Client, bucket: str, key: str, digest: str) -> CheckpointManifest | None:
    """Return a manifest in S3; None if it is too large, has another digest or is not valid. Raises S3Error."""
    file = paths.scratch() / "manifest"
    try:
        if PREFIX + fetch(client, bucket, key, file, max_bytes=MAX_MANIFEST_BYTES) != digest:
            return None
        return CheckpointManifest.model_validate_json(file.read_bytes())
    except (ObjectTooLargeError, ValidationError):
        return None
    finally:
        file.unlink(missing_ok=True)
        file.parent.rmdir()


def _checkpoint_file(path: str, seen: Signature, sha256: str) -> CheckpointFile:
    return CheckpointFile(path=path, size=seen.size, sha256=sha256, mode=seen.mode, modified=max(seen.modified, 0))
