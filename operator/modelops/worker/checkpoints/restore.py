"""Restore the checkpoints of the previous attempt: every byte verified, and nothing if no complete ones are left.

Only a manifest that the operator has pinned by its digest is restored: whoever else can write to the store, none of
their checkpoints reaches the trainer.
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.api.checkpoints import Checkpoint
from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import ObjectTooLargeError, fetch
from modelops.store.layout import Location
from modelops.store.listing import list_current
from modelops.worker.checkpoints.manifests import (
    CheckpointFile,
    CheckpointManifest,
    RankFolder,
    Restored,
    is_manifest,
    leads_outside,
)
from modelops.worker.checkpoints.sync import read_manifest
from modelops.worker.runtime.parallel import map_ordered
from modelops.worker.runtime.retry import retry

_STAGING_DIRECTORY = ".modelops-restoring"
_log = logging.getLogger(__name__)


class _Folder(NamedTuple):
    """Folder of a rank, and the digests of its pinned manifests by their keys, the newest first."""

    location: RankFolder
    pinned: dict[str, str]


class _Choice(NamedTuple):
    """Manifest to restore for one rank."""

    folder: RankFolder
    key: str
    manifest: CheckpointManifest


class _Item(NamedTuple):
    """File to restore, and the choice whose manifest names it."""

    choice: _Choice
    file: CheckpointFile


def restore(connect: Callable[[], S3Client], run: Location, root: Path, pinned: Sequence[Checkpoint]) -> Restored:
    """Fill `root` with the newest complete ones of the pinned checkpoints, those of all ranks together.

    Raises S3Error only if it is transient: to start from the beginning then would throw away the checkpoints.
    """
    staging = root / _STAGING_DIRECTORY
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        return _restore(connect(), run, root, staging, pinned)
    except S3Error as problem:
        if problem.transient:
            raise
        _log.warning("checkpoints cannot be read: %s; the trainer starts from the beginning", problem.message)
        return Restored()
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _restore(client: S3Client, run: Location, root: Path, staging: Path, pinned: Sequence[Checkpoint]) -> Restored:
    broken: set[str] = set()
    ranks = sorted({checkpoint.rank for checkpoint in pinned})
    folders = [_Folder(folder, folder.pinned(pinned)) for folder in (RankFolder(run, rank) for rank in ranks)]
    while True:
        sizes = {listed.key: listed.size for listed in retry(lambda: _list(client, run))}
        _log_left_out(run, sizes, folders)
        candidates = [_choose(client, folder, sizes, broken) for folder in folders]
        choices = [choice for choice in candidates if choice is not None]
        if len(choices) < len(folders):
            # A rank that begins again beside one that resumes would be worse than a new start of all.
            _log.warning("no complete checkpoint is left: the trainer starts from the beginning")
            return Restored(unusable=True)
        items = _first_of_each_path(choices)
        contents = {item.file.sha256: item for item in items}.values()
        newly_broken = {key for key in map_ordered(contents, partial(_fetch, client, staging)) if key is not None}
        if not newly_broken:
            break
        broken |= newly_broken
    if not folders:
        _log.info("no checkpoints yet: the trainer starts from the beginning")
        return Restored()
    return _move_into_place(choices, items, root, staging)


def _list(client: S3Client, run: Location) -> list[PinnedObject]:
    return list(list_current(client, run.bucket, run.key).objects)


def _log_left_out(run: Location, keys: Iterable[str], folders: Sequence[_Folder]) -> None:
    pinned = {key for folder in folders for key in folder.pinned}
    count = sum(1 for key in keys if is_manifest(run, key) and key not in pinned)
    if count:
        _log.warning("%d checkpoints in the store are left out: no sidecar has reported them to the operator", count)


def _choose(client: S3Client, pinned: _Folder, sizes: Mapping[str, int], broken: set[str]) -> _Choice | None:
    """Return a rank's newest pinned manifest of which every content exists, or None. Add unusable ones to `broken`."""
    folder = pinned.location
    for key, digest in pinned.pinned.items():
        if key in broken:
            continue
        why = "not the manifest that a sidecar has reported"
        try:
            # The listing decides: S3 answers 403 in place of 404 to whoever may list some prefixes of the bucket only.
            manifest = retry(partial(read_manifest, client, folder.run.bucket, key, digest)) if key in sizes else None
            if key not in sizes:
                why = "deleted"
            elif manifest is not None:
                lost = [file for file in manifest.files if sizes.get(folder.object_key(file.sha256)) != file.size]
                if not lost:
                    return _Choice(folder, key, manifest)
                why = f"the content of {lost[0].path} is missing"
        except S3Error as problem:
            if problem.reason is not Reason.NO_SUCH_KEY:
                raise
            why = "deleted"
        broken.add(key)
        _log.warning("checkpoint %s cannot be used: %s; trying the one before", key, why)
    return None


def _first_of_each_path(choices: Sequence[_Choice]) -> list[_Item]:
    """Return one item for each path. Where two ranks have the same path, the lower rank's file wins."""
    items: dict[str, _Item] = {}
    for choice in choices:
        for file in choice.manifest.files:
            items.setdefault(file.path, _Item(choice, file))
    return list(items.values())


def _fetch(client: S3Client, staging: Path, item: _Item) -> str | None:
    """Download a file's content and verify it. Return the key of its manifest if the content is lost or altered."""
    folder, sha256 = item.choice.folder, item.file.sha256
    target = staging / sha256
    if target.exists():
        return None
    key = folder.object_key(sha256)
    try:
        actual = retry(lambda: fetch(client, folder.run.bucket, key, target, max_bytes=item.file.size))
        if actual == sha256:
            return None
        why = f"altered (its SHA-256 is {actual})"
    except ObjectTooLargeError:
        why = f"altered (it has more than its {item.file.size} bytes)"
    except S3Error as problem:
        if problem.reason is not Reason.NO_SUCH_KEY:
            raise
        why = "deleted"
    target.unlink(missing_ok=True)
    _log.warning("checkpoint %s cannot be used: the content of %s was %s", item.choice.key, item.file.path, why)
    return item.choice.key


def _move_into_place(choices: Sequence[_Choice], items: Sequence[_Item], root: Path, staging: Path) -> Restored:
    """Move contents to the trainer's paths. Links come last, so that no file is written through a link."""
    by_rank = {choice.folder.rank: CheckpointManifest() for choice in choices}
    remaining_uses = Counter(item.file.sha256 for item in items)
    for item in items:
        remaining_uses[item.file.sha256] -= 1
        content = staging / item.file.sha256
        if _place_file(content, root, item.file, copy=remaining_uses[item.file.sha256] > 0):
            by_rank[item.choice.folder.rank].files.append(item.file)
    linked: set[str] = set()
    for choice in choices:
        for link in choice.manifest.links:
            if (
                link.path not in linked
                and not leads_outside(link.target)
                and _place_link(root / link.path, link.target)
            ):
                linked.add(link.path)
                by_rank[choice.folder.rank].links.append(link)
    for rank, manifest in by_rank.items():
        size = sum(file.size for file in manifest.files)
        _log.info("checkpoints of rank %d: restored %d files, %d bytes", rank, len(manifest.files), size)
    return Restored(by_rank=by_rank)


def _place_file(content: Path, root: Path, file: CheckpointFile, *, copy: bool) -> bool:
    """Move a content to its path, or copy it if another path needs it too. Return False if the path is not free."""
    target = root / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # Left by an earlier try of this fetch.
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        # The file of one rank has the path of another rank's directory.
        _log.warning("checkpoint %s is left out: another rank uses its path", file.path)
        return False
    if copy:
        shutil.copyfile(content, target)
    else:
        os.replace(content, target)
    os.utime(target, ns=(file.modified, file.modified))
    target.chmod(file.mode)
    return True


def _place_link(path: Path, target: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except OSError as error:
        _log.warning("link %s is left out: %s", path, error)
        return False
    return True
