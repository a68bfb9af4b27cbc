"""Valid, Reproducible and Fresh: the conditions beside Ready that describe the data. Pure."""

from datetime import datetime

from modelops.api.dataset import DatasetSpec, DatasetStatus, Snapshot
from modelops.api.durations import parse_duration
from modelops.api.types import DurationText
from modelops.controllers.dataset.check_messages import warnings
from modelops.controllers.dataset.context import Context
from modelops.machinery.conditions import DesiredCondition, condition, find, parse_timestamp
from modelops.machinery.plan import Event

_FRESH = "Fresh"


def data_conditions(context: Context, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Return Valid, Reproducible and Fresh, each only if there is data that the condition describes."""
    return *_valid(context, status), *_reproducible(status), *_fresh(context, status)


def accepted_violations(context: Context, snapshot: Snapshot) -> tuple[str, str] | None:
    """Return reason and message of the violations and warnings that a snapshot was accepted with; None without any."""
    violated = [describe_violations(snapshot.violations, snapshot.examples)] if snapshot.violations else []
    sentences = [*violated, *_warnings(context, snapshot)]
    if not sentences:
        return None
    return "SchemaViolated" if violated else "CheckWarned", "; ".join(sentences)


def describe_violations(total: int, examples: list[str]) -> str:
    """Return the number of violations of the schema, followed by the examples, such as `2 violations: …; …`."""
    text = "; ".join(examples)
    return f"{total} violation{'s' if total != 1 else ''}: {text}" if text else f"{total} violations"


def stale_at(context: Context, status: DatasetStatus) -> datetime | None:
    """Return when the current snapshot becomes older than spec.checks allow; None without such a check."""
    limit = _limit(context.seen.dataset.spec)
    if limit is None or status.snapshot is None or status.snapshot.last_modified is None:
        return None
    return parse_timestamp(status.snapshot.last_modified) + parse_duration(limit)


def stale_events(context: Context, conditions: tuple[DesiredCondition, ...]) -> tuple[Event, ...]:
    """Return an Event if the snapshot becomes stale with these conditions, and was not before."""
    before = find(context.status.conditions, _FRESH)
    stale = next((item for item in conditions if item.type == _FRESH and item.status == "False"), None)
    if stale is None or (before is not None and before.status == "False"):
        return ()
    return (Event(stale.reason, stale.message, warning=True),)


def _valid(context: Context, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Return Valid, which describes the newest data that was checked."""
    candidate, snapshot = status.candidate, status.snapshot
    if candidate is not None and candidate.state == "Rejected":
        return (condition("Valid", False, candidate.reason or "Rejected", candidate.message or ""),)
    if snapshot is None:
        return ()
    accepted = accepted_violations(context, snapshot)
    if accepted is not None:
        return (condition("Valid", False, *accepted),)
    return (condition("Valid", True, "Checked", f"{snapshot.rows} rows pass the schema and all checks"),)


def _warnings(context: Context, snapshot: Snapshot) -> list[str]:
    """Return a sentence for each failed check, or their number if the spec's checks are not those of the results."""
    if snapshot.checked_with == context.checks:
        return warnings(context.seen.dataset.spec.checks, snapshot.checks)
    failed = sum(result.outcome == "Failed" for result in snapshot.checks)
    return [f"{failed}/{len(snapshot.checks)} checks failed when the snapshot was taken"] if failed else []


def _reproducible(status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Return Reproducible: False if the data can be overwritten or deleted for good."""
    snapshot = status.snapshot
    if snapshot is None:
        return ()
    s3, claim = snapshot.source.s3, snapshot.source.pvc
    if claim is not None:
        message = (
            f'claim "{claim.claim_name}" has no object versions: files may be changed or deleted; '
            "a run verifies the files before training"
        )
        return (condition("Reproducible", False, "VolumeNotVersioned", message),)
    if s3 is not None and not snapshot.versioned:
        message = f'bucket "{s3.bucket}" is not versioned: objects may be overwritten for good; enable versioning'
        return (condition("Reproducible", False, "BucketNotVersioned", message),)
    return (condition("Reproducible", True, "Pinned", "every object is pinned by its version"),)


def _fresh(context: Context, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Return Fresh. The messages have times and not ages, since an age would change with every reconcile."""
    stale_from, limit = stale_at(context, status), _limit(context.seen.dataset.spec)
    if stale_from is None or status.snapshot is None:
        return ()
    written = f"newest object written at {status.snapshot.last_modified}"
    if context.seen.now < stale_from:
        return (condition(_FRESH, True, _FRESH, f"{written}, at most {limit} ago"),)
    return (condition(_FRESH, False, "Stale", f"{written}, more than {limit} ago; check why no newer data arrives"),)


def _limit(spec: DatasetSpec) -> DurationText | None:
    """Return the shortest freshWithin of all checks."""
    limits = [check.fresh_within for check in spec.checks if check.fresh_within is not None]
    return min(limits, key=parse_duration, default=None)
