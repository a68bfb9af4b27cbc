"""Report of a task: a JSON document of at most 4,096 bytes, which Kubernetes keeps as the termination message."""

import json
import os
from pathlib import Path

from modelops.api.base import Model
from modelops.api.contract.reports import MAX_BYTES, Failure, SidecarReport, SnapshotReport

REPORT_VARIABLE = "MODELOPS_REPORT"
_TERMINATION_LOG = "/dev/termination-log"
_MIN_MESSAGE_CHARACTERS = 200


def write(report: Model) -> None:
    """Write the report to the container's termination message."""
    # Written in place: the kubelet mounts this single file, so no other file can be renamed over it.
    Path(os.environ.get(REPORT_VARIABLE, _TERMINATION_LOG)).write_bytes(truncate_to_limit(report))


def truncate_to_limit(report: Model, limit: int = MAX_BYTES) -> bytes:
    """Encode a report in at most `limit` bytes. Pure.

    What is left out, in this order: all examples but the first, pinned objects, the progress or URIs of records, the
    end of the failure's message, the last example. Counts, digests, metrics and results of checks always stay.
    """
    while len(content := _encoded(report)) > limit:
        shorter = _shortened_once(report)
        if shorter is None:
            return content
        report = shorter
    return content


def _encoded(report: Model) -> bytes:
    return json.dumps(report.wire(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        errors="replace"
    )


def _shortened_once(report: Model) -> Model | None:
    if isinstance(report, SnapshotReport):
        if report.violations is not None and len(report.violations.examples) > 1:
            fewer = report.violations.model_copy(update={"examples": report.violations.examples[:-1]})
            return report.model_copy(update={"violations": fewer})
        if report.object_versions:
            return report.model_copy(update={"object_versions": report.object_versions[:-1]})
    if isinstance(report, SidecarReport):
        for field in ("progress", "packages", "history"):
            if getattr(report, field) is not None:
                return report.model_copy(update={field: None})
    failure: Failure | None = getattr(report, "failure", None)
    if failure is not None and len(failure.message) > _MIN_MESSAGE_CHARACTERS:
        kept = failure.message[: max(_MIN_MESSAGE_CHARACTERS - 2, len(failure.message) * 3 // 4)]
        return report.model_copy(update={"failure": failure.model_copy(update={"message": kept + " …"})})
    if isinstance(report, SnapshotReport) and report.violations is not None and report.violations.examples:
        return report.model_copy(update={"violations": report.violations.model_copy(update={"examples": []})})
    return None
