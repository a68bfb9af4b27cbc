"""Command `snapshot`: pin the current data of the source, read all of it once, validate it, and profile it."""

import logging
import shutil
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from modelops.api.contract.reports import SnapshotReport, Violations
from modelops.api.contract.tasks import SnapshotTask
from modelops.api.types import ObjectVersion, Schema
from modelops.lineage.digests import canonical_json, json_digest
from modelops.store.client import S3Client
from modelops.store.layout import Location, manifest_of, profile_of
from modelops.store.writing import write_once
from modelops.worker.datasets.manifests import DatasetManifest
from modelops.worker.datasets.probe_job import wait_until_stable
from modelops.worker.datasets.sources import Source, SourceState, open_source
from modelops.worker.quality.baselines import load_baseline
from modelops.worker.quality.profiling import Profile
from modelops.worker.quality.quality_checks import CheckInputs, evaluate
from modelops.worker.quality.schema_validation import SchemaValidator, display_name
from modelops.worker.runtime import paths
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of
from modelops.worker.tabular.readers import MalformedRows, UnreadableObjectError, read_batches

_SHOWN_OBJECTS = 10
_LOGGED_EVERY = 1000
"""Objects between two lines of the log: a line for each of a hundred thousand objects would bury the others."""
_log = logging.getLogger(__name__)


class _Content(NamedTuple):
    """Result of reading all objects. `readable`: every object has the declared format."""

    profile: Profile
    violations: Violations | None
    readable: bool


def run(task: SnapshotTask) -> SnapshotReport:
    """Take the snapshot.

    Raises:
        TaskError: the task failed; its `report` holds the results so far.
        S3Error: the source or the store does not answer, or refuses.
    """
    scratch = paths.scratch()
    try:
        return _snapshot(task, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _snapshot(task: SnapshotTask, scratch: Path) -> SnapshotReport:
    source = open_source(task, scratch)
    state, known = wait_until_stable(source.probe, task.probe) if task.probe is not None else (source.probe(), False)
    report = SnapshotReport(
        objects=state.objects,
        bytes=state.bytes,
        newest=state.last_modified,
        versioned=source.versioned,
        change_token=source.change_token,
    )
    if known:
        return report.model_copy(update={"unchanged": True, "digest": _known_digest(task, state)})
    if not state.objects:
        raise TaskError("EmptyPrefix", source.empty, report=report)
    manifest = source.pin()
    report = report.model_copy(update={"digest": manifest.digest, "object_versions": _first_objects(manifest)})
    if task.probe is not None and manifest.digest in task.probe.known_digests:
        return report.model_copy(update={"unchanged": True})
    _check_expected(task, report)
    store = client_of(task.store)
    baseline = load_baseline(store, task.baseline, task.checks, scratch)
    try:
        with source.translate_errors():
            content = _read_all(source, task, manifest, scratch)
    except TaskError as error:
        error.report = report
        raise

    manifest_location = manifest_of(task.store, manifest.digest)
    _write(store, manifest_location, manifest.file)
    report = report.model_copy(
        update={"rows": content.profile.rows, "violations": content.violations, "manifest": manifest_location.uri}
    )
    if not content.readable:
        return report
    document = content.profile.document(manifest.digest, task.format.type)
    profile_location = profile_of(task.store, json_digest(document))
    _write(store, profile_location, canonical_json(document))
    last_modified = datetime.fromisoformat(report.newest) if report.newest else None
    results = evaluate(task.checks, CheckInputs(content.profile, baseline, last_modified, datetime.now(UTC)))
    return report.model_copy(update={"profile": profile_location.uri, "checks": results})


def _known_digest(task: SnapshotTask, state: SourceState) -> str | None:
    """Return the digest of a known state.

    A bucket's token is its digest. A volume's token is not: a known token is the current snapshot's, whose digest is
    the first of `known_digests`.
    """
    known = task.probe.known_digests if task.probe is not None else []
    return state.token if state.token in known else next(iter(known), None)


def _first_objects(manifest: DatasetManifest) -> list[ObjectVersion]:
    return [
        ObjectVersion(key=pinned.key, version_id=pinned.version_id, size=pinned.size, etag=pinned.etag)
        for pinned in islice(manifest.entries(), _SHOWN_OBJECTS)
    ]


def _check_expected(task: SnapshotTask, report: SnapshotReport) -> None:
    if task.expect_digest is not None and report.digest != task.expect_digest:
        raise TaskError(
            "SourceChanged",
            f"the data changed before the snapshot: the digest is {report.digest}, expected {task.expect_digest}",
            report=report,
        )


def _read_all(source: Source, task: SnapshotTask, manifest: DatasetManifest, scratch: Path) -> _Content:
    validator = SchemaValidator(task.schema_ or Schema(), scratch)
    profile, readable = Profile(task.schema_, task.checks), True
    for number, (pinned, file) in enumerate(source.files(manifest), start=1):
        name, malformed = display_name(pinned.key), MalformedRows()
        try:
            for batch in read_batches(file, name, task.format.type, malformed):
                validator.add(name, batch)
                profile.add(batch)
            validator.end_object(name)
        except UnreadableObjectError as error:
            readable = False
            validator.abandon_object(name)
            validator.add_file_violation(str(error))
        if malformed.count:
            validator.add_file_violation(malformed.first, malformed.count)
        if number % _LOGGED_EVERY == 1:
            _log.info("%d objects, %d rows so far, last object %s", number, profile.rows, pinned.key)
    return _Content(profile, validator.result(), readable)


def _write(store: S3Client, to: Location, content: bytes | Path) -> None:
    written = retry(lambda: write_once(store, to.bucket, to.key, content))
    _log.info("%s: %s", to.uri, "written" if written else "exists already")
