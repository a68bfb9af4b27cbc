"""snapshot: pin what is in the source now, read all of it once, and say whether it is what the schema promises."""

import logging
import shutil
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from modelops.api.contract.reports import SnapshotReport, Violations
from modelops.api.contract.tasks import SnapshotTask
from modelops.api.types import ObjectVersion
from modelops.lineage.digests import canonical_json, json_digest
from modelops.store.client import S3Client
from modelops.store.layout import Location, manifest_of, profile_of
from modelops.store.writing import put_if_absent
from modelops.worker.datasets.manifests import Manifest
from modelops.worker.datasets.probe_job import settled
from modelops.worker.datasets.sources import Look, Source, source_of
from modelops.worker.quality.baselines import baseline_of
from modelops.worker.quality.profiling import Profile
from modelops.worker.quality.quality_checks import Evidence, evaluate
from modelops.worker.quality.schema_validation import SchemaCheck, short_name
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.retry import patiently
from modelops.worker.runtime.stores import client_of
from modelops.worker.tabular.readers import Faults, UnreadableObjectError, read

_SHOWN_OBJECTS = 10
_LOGGED_EVERY = 1000
"""Objects. A log of every one of a hundred thousand would be read by nobody."""
_log = logging.getLogger(__name__)


class _Content(NamedTuple):
    """What reading everything told."""

    profile: Profile
    violations: Violations | None
    readable: bool


def run(task: SnapshotTask) -> SnapshotReport:
    """Do the task. Raises TaskError, with what is known so far, and S3Error."""
    scratch = paths.scratch()
    try:
        return _snapshot(task, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _snapshot(task: SnapshotTask, scratch: Path) -> SnapshotReport:
    source = source_of(task, scratch)
    look, known = settled(source.look, task.probe) if task.probe is not None else (source.look(), False)
    seen = SnapshotReport(
        objects=look.objects,
        bytes=look.bytes,
        newest=look.newest,
        versioned=source.versioned,
        change_token=source.change_token,
    )
    if known:
        return seen.model_copy(update={"unchanged": True, "digest": _known_digest(task, look)})
    if not look.objects:
        raise TaskError("EmptyPrefix", source.empty, report=seen)
    manifest = source.pin()
    report = seen.model_copy(update={"digest": manifest.digest, "object_versions": _first_objects(manifest)})
    if task.probe is not None and manifest.digest in task.probe.known_digests:
        return report.model_copy(update={"unchanged": True})
    _check_expected(task, report)
    store = client_of(task.store)
    baseline = baseline_of(store, task.baseline, task.checks, scratch)
    try:
        with source.reading():
            content = _read_all(source, task, manifest, scratch)
    except TaskError as failed:
        failed.report = report
        raise

    place = manifest_of(task.store, manifest.digest)
    _write(store, place, manifest.file)
    report = report.model_copy(
        update={"rows": content.profile.rows, "violations": content.violations, "manifest": place.uri}
    )
    if not content.readable:
        return report
    document = content.profile.document(manifest.digest, task.format.type)
    profile = profile_of(task.store, json_digest(document))
    _write(store, profile, canonical_json(document))
    newest = datetime.fromisoformat(report.newest) if report.newest else None
    results = evaluate(task.checks, Evidence(content.profile, baseline, newest, datetime.now(UTC)))
    return report.model_copy(update={"profile": profile.uri, "checks": results})


def _known_digest(task: SnapshotTask, look: Look) -> str | None:
    """A volume's token is no digest: it is that of the current snapshot, whose digest comes first."""
    known = task.probe.known_digests if task.probe is not None else []
    return look.token if look.token in known else next(iter(known), None)


def _first_objects(manifest: Manifest) -> list[ObjectVersion]:
    return [
        ObjectVersion(key=one.key, version_id=one.version_id, size=one.size, etag=one.etag)
        for one in islice(manifest.entries(), _SHOWN_OBJECTS)
    ]


def _check_expected(task: SnapshotTask, report: SnapshotReport) -> None:
    if task.expect_digest is not None and report.digest != task.expect_digest:
        raise TaskError(
            "SourceChanged",
            f"the data changed while the snapshot began: {task.expect_digest} was expected, {report.digest} is there",
            report=report,
        )


def _read_all(source: Source, task: SnapshotTask, manifest: Manifest, scratch: Path) -> _Content:
    columns = task.schema_.columns if task.schema_ else []
    check, profile, readable = SchemaCheck(columns, scratch), Profile(task.schema_, task.checks), True
    for number, (pinned, file) in enumerate(source.files(manifest), start=1):
        name, faults = short_name(pinned.key), Faults()
        try:
            for batch in read(file, name, task.format.type, faults):
                check.add(name, batch)
                profile.add(batch)
            check.end_object(name)
        except UnreadableObjectError as error:
            readable = False
            check.give_up_object(name)
            check.structural(str(error))
        if faults.count:
            check.structural(faults.first, faults.count)
        if number % _LOGGED_EVERY == 1:
            _log.info("%d objects, %d rows so far, the last one %s", number, profile.rows, pinned.key)
    return _Content(profile, check.result(), readable)


def _write(store: S3Client, to: Location, content: bytes | Path) -> None:
    written = patiently(lambda: put_if_absent(store, to.bucket, to.key, content))
    _log.info("%s: %s", to.uri, "written" if written else "is there already")
