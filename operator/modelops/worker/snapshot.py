"""snapshot: pin what is in the source now, read all of it once, and say whether it is what the schema promises."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from modelops.api.reports import SnapshotReport, Violations
from modelops.api.tasks import S3Place, SnapshotTask
from modelops.api.types import ObjectVersion
from modelops.lineage.digests import Pinned, Unspeakable, canonical, sha256_of
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Problem
from modelops.store.fetching import fetch_pinned
from modelops.store.listing import list_current
from modelops.store.places import Location, manifest_of, profile_of
from modelops.store.writing import put_once
from modelops.worker import paths
from modelops.worker.baselines import baseline_of
from modelops.worker.checking import SchemaCheck, short_name
from modelops.worker.checks import Evidence, evaluate
from modelops.worker.manifests import Manifest, write_manifest
from modelops.worker.outcome import Failed, failed_by
from modelops.worker.parallel import each
from modelops.worker.patience import patiently
from modelops.worker.profiling import Profile
from modelops.worker.stores import client_of
from modelops.worker.tables import Faults, Unreadable, read

_SHOWN_OBJECTS = 10
_DOWNLOADS = 4
"""Objects that are on the scratch disk at a time."""
_log = logging.getLogger(__name__)


class _Listed(NamedTuple):
    manifest: Manifest
    versioned: bool


class _Content(NamedTuple):
    """What reading everything told."""

    profile: Profile
    violations: Violations | None
    readable: bool


def run(task: SnapshotTask) -> SnapshotReport:
    """Do the task. Raises Failed, with what is known so far, and S3Problem."""
    scratch = paths.scratch()
    try:
        return _snapshot(task, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _snapshot(task: SnapshotTask, scratch: Path) -> SnapshotReport:
    source, store = client_of(task.source), client_of(task.store)
    listed = patiently(lambda: _list(source, task.source, scratch / "manifest"))
    report = _counted(listed)
    _check_expected(task, report)
    baseline = baseline_of(store, task.baseline, task.checks, scratch)
    try:
        content = _read_all(source, task, listed.manifest, scratch)
    except S3Problem as problem:
        failed = _moved(task, problem) if _is_a_change(problem) else failed_by(problem)
        failed.report = report
        raise failed from problem

    manifest = manifest_of(task.store, listed.manifest.digest)
    _write(store, manifest, listed.manifest.file)
    report = report.model_copy(
        update={"rows": content.profile.rows, "violations": content.violations, "manifest": manifest.uri}
    )
    if not content.readable:
        return report
    document = content.profile.document(listed.manifest.digest, task.format.type)
    profile = profile_of(task.store, sha256_of(document))
    _write(store, profile, canonical(document))
    newest = datetime.fromisoformat(report.newest) if report.newest else None
    results = evaluate(task.checks, Evidence(content.profile, baseline, newest, datetime.now(UTC)))
    return report.model_copy(update={"profile": profile.uri, "checks": results})


def _list(client: S3Client, source: S3Place, file: Path) -> _Listed:
    listing = list_current(client, source.bucket, source.prefix)
    try:
        return _Listed(write_manifest(listing.objects, file), listing.versioned)
    except Unspeakable as error:
        raise Failed("UnusableKey", f'bucket "{source.bucket}": {error}') from error


def _counted(listed: _Listed) -> SnapshotReport:
    manifest = listed.manifest
    shown = islice(manifest.entries(), _SHOWN_OBJECTS)
    return SnapshotReport(
        digest=manifest.digest,
        objects=manifest.objects,
        bytes=manifest.bytes,
        versioned=listed.versioned,
        object_versions=[
            ObjectVersion(key=one.key, version_id=one.version_id, size=one.size, etag=one.etag) for one in shown
        ],
    )


def _check_expected(task: SnapshotTask, report: SnapshotReport) -> None:
    if not report.objects:
        where = f"s3://{task.source.bucket}/{task.source.prefix}"
        raise Failed(
            "EmptyPrefix", f"there is no object below {where}; upload data or correct the prefix", report=report
        )
    if report.digest != task.expect_digest:
        raise Failed(
            "SourceChanged",
            f"the data changed while the snapshot began: {task.expect_digest} was expected, {report.digest} is there",
            report=report,
        )


def _is_a_change(problem: S3Problem) -> bool:
    return problem.reason is Reason.PINNED_VERSION_MISSING


def _moved(task: SnapshotTask, problem: S3Problem) -> Failed:
    return Failed("SourceChanged", f"the data changed while it was read: {problem.message}")


def _read_all(client: S3Client, task: SnapshotTask, manifest: Manifest, scratch: Path) -> _Content:
    columns = task.schema_.columns if task.schema_ else []
    check, profile, readable = SchemaCheck(columns, scratch), Profile(task.schema_, task.checks), True
    for pinned, file in _downloaded(client, task.source.bucket, manifest.entries(), scratch):
        name, faults = short_name(pinned.key), Faults()
        try:
            for batch in read(file, name, task.format.type, faults):
                check.add(name, batch)
                profile.add(batch)
            check.end_object(name)
        except Unreadable as error:
            readable = False
            check.give_up_object(name)
            check.structural(str(error))
        if faults.count:
            check.structural(faults.first, faults.count)
        file.unlink()
        _log.info("%s: %d bytes, %d rows so far", pinned.key, pinned.size, profile.rows)
    return _Content(profile, check.result(), readable)


def _downloaded(
    client: S3Client, bucket: str, objects: Iterable[Pinned], scratch: Path
) -> Iterator[tuple[Pinned, Path]]:
    """Each object on disk, a few of them ahead of the reading."""
    yield from each(
        enumerate(objects), partial(_download, client, bucket, scratch), threads=_DOWNLOADS, ahead=_DOWNLOADS
    )


def _download(client: S3Client, bucket: str, scratch: Path, numbered: tuple[int, Pinned]) -> tuple[Pinned, Path]:
    number, pinned = numbered
    file = scratch / f"object-{number}"
    patiently(lambda: fetch_pinned(client, bucket, pinned, file))
    return pinned, file


def _write(store: S3Client, to: Location, content: bytes | Path) -> None:
    written = patiently(lambda: put_once(store, to.bucket, to.key, content))
    _log.info("%s: %s", to.uri, "written" if written else "is there already")
