"""The termination message is all that the operator gets from a Pod: it must always fit, and always be JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelops.api.checks import DataCheckResult
from modelops.api.contract.reports import (
    Failure,
    ProgressPoint,
    ProgressReport,
    PublishedArtifact,
    SidecarReport,
    SnapshotReport,
    Violations,
)
from modelops.api.types import ObjectVersion
from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.reporting import truncate_to_limit
from modelops.worker.training.metrics import validate_metrics

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=1000)
RESULT = st.builds(
    DataCheckResult,
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    outcome=st.sampled_from(["Passed", "Failed", "Skipped"]),
)


@given(st.lists(TEXT, max_size=10), st.integers(0, 10), TEXT, st.lists(RESULT, max_size=32))
def test_a_snapshot_report_fits_the_termination_message(
    examples: list[str], objects: int, message: str, results: list[DataCheckResult]
) -> None:
    """However long keys and examples are, the operator gets valid JSON, with the true total and every check."""
    version = ObjectVersion(key="k" * 1024, version_id="v" * 100, size=1, etag="e" * 34)
    report = SnapshotReport(
        digest="sha256:" + "0" * 64,
        manifest="s3://" + "m" * 400,
        profile="s3://" + "p" * 400,
        object_versions=[version] * objects,
        violations=Violations(total=12345, examples=[example[:200] for example in examples]),
        checks=results,
        failure=Failure(reason="SourceChanged", message=message),
    )
    content = truncate_to_limit(report)
    assert len(content) <= 4096
    read = SnapshotReport.model_validate_json(content)
    assert read.violations is not None
    assert read.violations.total == 12345
    assert read.checks == results


@given(st.dictionaries(TEXT, st.floats(), max_size=60), TEXT, st.none() | st.just("s3://" + "b" * 700))
def test_metrics_are_reported_in_full_or_refused(metrics: dict[str, Any], message: str, record: str | None) -> None:
    """A gate never gets some of the metrics: either all of them fit the report, or the run fails as InvalidMetrics."""
    try:
        kept = validate_metrics(metrics)
    except TaskError:
        return
    artifact = PublishedArtifact(uri="s3://" + "b" * 600 + "/", digest="sha256:" + "0" * 64, bytes=1, files=1)
    failure = Failure(reason="R", message=message)
    points = [ProgressPoint(step=step, metrics={"score": 0.5}) for step in range(32)]
    report = SidecarReport(
        artifact=artifact,
        metrics=kept,
        packages=record,
        history=record,
        progress=ProgressReport(last=points[-1], points=points),
        failure=failure,
    )
    content = truncate_to_limit(report)
    assert len(content) <= 4096
    assert json.loads(content).get("metrics", {}) == kept


def test_a_message_that_utf8_cannot_hold_is_still_reported() -> None:
    """A trainer can write any bytes and escapes; the operator gets the report all the same."""
    report = SidecarReport(failure=Failure(reason="InvalidMetrics", message="has no number as \ud800", retry=False))
    assert "has no number as ?" in json.loads(truncate_to_limit(report))["failure"]["message"]
