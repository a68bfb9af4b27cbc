"""What there is to say of the newest data and of the current snapshot, beside Ready. Pure."""

from datetime import datetime

from modelops.api.dataset import DatasetSpec, DatasetStatus, Snapshot
from modelops.api.durations import parse_duration
from modelops.api.types import DurationText
from modelops.controllers.dataset.check_messages import warning
from modelops.controllers.dataset.context import Case
from modelops.machinery.conditions import DesiredCondition, condition, find, parse_timestamp
from modelops.machinery.plan import Event

_FRESH = "Fresh"


def aspects(case: Case, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Valid, Reproducible and Fresh, each as far as there is something to speak of."""
    return *_valid(case, status), *_reproducible(status), *_fresh(case, status)


def faults(case: Case, snapshot: Snapshot) -> tuple[str, str] | None:
    """Reason and message of what a snapshot was taken in spite of."""
    violated = [violations(snapshot.violations, snapshot.examples)] if snapshot.violations else []
    sentences = [*violated, *_warnings(case, snapshot)]
    if not sentences:
        return None
    return "SchemaViolated" if violated else "CheckWarned", "; ".join(sentences)


def violations(total: int, examples: list[str]) -> str:
    """How many violations of the schema there are, and the first of them."""
    shown = "; ".join(examples)
    return f"{total} violation{'s' if total != 1 else ''}: {shown}" if shown else f"{total} violations"


def turns_stale(case: Case, status: DatasetStatus) -> datetime | None:
    """When the current snapshot is older than spec.checks want it; None where nothing wants to know."""
    limit = _limit(case.seen.dataset.spec)
    if limit is None or status.snapshot is None or status.snapshot.newest is None:
        return None
    return parse_timestamp(status.snapshot.newest) + parse_duration(limit)


def staleness(case: Case, wanted: tuple[DesiredCondition, ...]) -> tuple[Event, ...]:
    """The Event of the moment in which the snapshot turns stale."""
    before = find(case.status.conditions, _FRESH)
    stale = next((one for one in wanted if one.type == _FRESH and one.status == "False"), None)
    if stale is None or (before is not None and before.status == "False"):
        return ()
    return (Event(stale.reason, stale.message, warning=True),)


def _valid(case: Case, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Of the newest data that was checked."""
    candidate, snapshot = status.candidate, status.snapshot
    if candidate is not None and candidate.state == "Rejected":
        return (condition("Valid", False, candidate.reason or "Rejected", candidate.message or ""),)
    if snapshot is None:
        return ()
    found = faults(case, snapshot)
    if found is not None:
        return (condition("Valid", False, *found),)
    return (condition("Valid", True, "Checked", f"{snapshot.rows} rows are what they must be"),)


def _warnings(case: Case, snapshot: Snapshot) -> list[str]:
    """The results speak of the checks that the snapshot was taken with, which need not be those of the spec."""
    if snapshot.checked_with == case.checks:
        return warning(case.seen.dataset.spec.checks, snapshot.checks)
    failed = sum(result.outcome == "Failed" for result in snapshot.checks)
    return [f"{failed} of the {len(snapshot.checks)} checks that it was taken with failed"] if failed else []


def _reproducible(status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """Honesty: data that can be overwritten for good says so."""
    snapshot = status.snapshot
    if snapshot is None:
        return ()
    s3, claim = snapshot.source.s3, snapshot.source.pvc
    if claim is not None:
        keeps = f'claim "{claim.claim_name}" keeps no versions'
        message = f"{keeps}: its files are verified when a run fetches them, and may have changed or gone by then"
        return (condition("Reproducible", False, "VolumeNotVersioned", message),)
    if s3 is not None and not snapshot.versioned:
        message = f'bucket "{s3.bucket}" keeps no versions, so these bytes may not be had again: turn versioning on'
        return (condition("Reproducible", False, "BucketNotVersioned", message),)
    return (condition("Reproducible", True, "Pinned", "every object is pinned by its version"),)


def _fresh(case: Case, status: DatasetStatus) -> tuple[DesiredCondition, ...]:
    """As time passes: the messages name times and no ages, since an age would be another one with every look."""
    turns, limit = turns_stale(case, status), _limit(case.seen.dataset.spec)
    if turns is None or status.snapshot is None:
        return ()
    written = f"the newest data was written at {status.snapshot.newest}"
    if case.seen.now < turns:
        return (condition(_FRESH, True, _FRESH, f"{written}; it may be {limit} old"),)
    return (condition(_FRESH, False, "Stale", f"{written}, more than {limit} ago: see why nothing newer has come"),)


def _limit(spec: DatasetSpec) -> DurationText | None:
    """The shortest that any check wants."""
    limits = [check.fresh_within for check in spec.checks if check.fresh_within is not None]
    return min(limits, key=parse_duration, default=None)
