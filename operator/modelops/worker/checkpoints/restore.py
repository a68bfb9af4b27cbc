"""Bring back the checkpoints of the attempt before, every byte verified, or none where there are no whole ones."""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import fetch
from modelops.store.layout import Location
from modelops.store.listing import list_current
from modelops.worker.checkpoints.manifests import KeptFile, Manifest, RankPlace, Restored, leads_out, ranks_of
from modelops.worker.checkpoints.sync import read_manifest
from modelops.worker.runtime.parallel import each
from modelops.worker.runtime.retry import patiently

_STAGE = ".modelops-restoring"
_log = logging.getLogger(__name__)


class _Choice(NamedTuple):
    """The manifest of a rank that is to be restored."""

    place: RankPlace
    key: str
    manifest: Manifest


class _Wanted(NamedTuple):
    choice: _Choice
    file: KeptFile


def restore(connect: Callable[[], S3Client], run: Location, root: Path) -> Restored:
    """Fill `root` with the newest whole checkpoints below a run's prefix, those of all ranks together.

    Raises S3Error only where the store does not answer: to start afresh then would throw away what is there.
    """
    stage = root / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        return _restored(connect(), run, root, stage)
    except S3Error as problem:
        if problem.transient:
            raise
        _log.warning("checkpoints cannot be looked for, and the trainer starts afresh: %s", problem.message)
        return Restored()
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _restored(client: S3Client, run: Location, root: Path, stage: Path) -> Restored:
    broken: set[str] = set()
    while True:
        sizes = {one.key: one.size for one in patiently(lambda: _listed(client, run))}
        ranks = [rank for rank in ranks_of(run, sizes) if rank.newest_first(sizes)]
        choices = [_chosen(client, rank, sizes, broken) for rank in ranks]
        whole = [choice for choice in choices if choice is not None]
        if len(whole) < len(ranks):
            # A rank that begins anew beside one that goes on would be worse than to begin anew together.
            _log.warning("no whole checkpoint is left: the trainer starts afresh")
            return Restored(afresh=True)
        wanted = _first_of_each_path(whole)
        contents = {one.file.sha256: one for one in wanted}.values()
        found = {key for key in each(contents, partial(_bring, client, stage)) if key is not None}
        if not found:
            break
        broken |= found
    if not ranks:
        _log.info("there are no checkpoints: the trainer starts from the beginning")
        return Restored()
    return _placed(whole, wanted, root, stage)


def _listed(client: S3Client, run: Location) -> list[PinnedObject]:
    return list(list_current(client, run.bucket, run.key).objects)


def _chosen(client: S3Client, rank: RankPlace, sizes: Mapping[str, int], broken: set[str]) -> _Choice | None:
    """The newest manifest of which all is there."""
    for key in rank.newest_first(sizes):
        if key in broken:
            continue
        why = "it is no manifest"
        try:
            manifest = patiently(partial(read_manifest, client, rank.run.bucket, key))
            if manifest is not None:
                lost = [file for file in manifest.files if sizes.get(rank.object_key(file.sha256)) != file.size]
                if not lost:
                    return _Choice(rank, key, manifest)
                why = f"the content of {lost[0].path} is not there"
        except S3Error as problem:
            if problem.reason is not Reason.NO_SUCH_KEY:
                raise
            why = "it is gone"
        broken.add(key)
        _log.warning("the checkpoint %s cannot be used, and the one before is taken: %s", key, why)
    return None


def _first_of_each_path(choices: Sequence[_Choice]) -> list[_Wanted]:
    """Where two ranks have the same path, the lower rank's is taken."""
    taken: dict[str, _Wanted] = {}
    for choice in choices:
        for file in choice.manifest.files:
            taken.setdefault(file.path, _Wanted(choice, file))
    return list(taken.values())


def _bring(client: S3Client, stage: Path, wanted: _Wanted) -> str | None:
    """Fetch a file's content and verify it. The key of its manifest where it is not what that says."""
    place, sha256 = wanted.choice.place, wanted.file.sha256
    target = stage / sha256
    if target.exists():
        return None
    try:
        found = patiently(lambda: fetch(client, place.run.bucket, place.object_key(sha256), target))
    except S3Error as problem:
        if problem.reason is not Reason.NO_SUCH_KEY:
            raise
        found = "gone"
    if found == sha256:
        return None
    target.unlink(missing_ok=True)
    _log.warning(
        "the checkpoint %s cannot be used: the content of %s is %s", wanted.choice.key, wanted.file.path, found
    )
    return wanted.choice.key


def _placed(choices: Sequence[_Choice], wanted: Sequence[_Wanted], root: Path, stage: Path) -> Restored:
    """Move the contents to where the trainer had them. Links come last, so that nothing is written through one."""
    by_rank = {choice.place.rank: Manifest() for choice in choices}
    uses = Counter(one.file.sha256 for one in wanted)
    for one in wanted:
        uses[one.file.sha256] -= 1
        if _put(stage / one.file.sha256, root, one.file, again=uses[one.file.sha256] > 0):
            by_rank[one.choice.place.rank].files.append(one.file)
    taken: set[str] = set()
    for choice in choices:
        for link in choice.manifest.links:
            if link.path not in taken and not leads_out(link.target) and _link(root / link.path, link.target):
                taken.add(link.path)
                by_rank[choice.place.rank].links.append(link)
    for rank, manifest in by_rank.items():
        size = sum(file.size for file in manifest.files)
        _log.info("checkpoints of rank %d: %d files, %d bytes restored", rank, len(manifest.files), size)
    return Restored(by_rank=by_rank)


def _put(content: Path, root: Path, file: KeptFile, *, again: bool) -> bool:
    target = root / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # Of a fetch that was begun before.
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        # One rank's file is another's directory.
        _log.warning("the checkpoint %s is left out: its path is taken by another rank's", file.path)
        return False
    if again:
        shutil.copyfile(content, target)
    else:
        os.replace(content, target)
    os.utime(target, ns=(file.modified, file.modified))
    target.chmod(file.mode)
    return True


def _link(path: Path, target: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except OSError as error:
        _log.warning("the link %s is left out: %s", path, error)
        return False
    return True
