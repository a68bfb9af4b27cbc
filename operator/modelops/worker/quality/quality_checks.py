"""Does a snapshot as a whole keep what spec.checks promise? Whatever cannot be measured has failed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from modelops.api.checks import BiasBound, ChangeBounds, DataCheck, DataCheckResult, DriftBound, RowBounds, ShareBounds
from modelops.api.durations import parse_duration
from modelops.api.types import ColumnType
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.drift import drift
from modelops.worker.quality.profiling import ColumnProfile, Profile
from modelops.worker.tabular.canonical_text import text

_FAILED = DataCheckResult(outcome="Failed")
_SKIPPED = DataCheckResult(outcome="Skipped")


Bounds = RowBounds | ChangeBounds | ShareBounds | BiasBound


class Evidence(NamedTuple):
    """What checks are judged by."""

    profile: Profile
    baseline: Baseline | None
    newest: datetime | None
    """When the newest object was written."""
    now: datetime


def evaluate(checks: Sequence[DataCheck], seen: Evidence) -> list[DataCheckResult]:
    """The result of each check, in their order."""
    return [_evaluated(check, seen) for check in checks]


def _evaluated(check: DataCheck, seen: Evidence) -> DataCheckResult:
    if check.rows is not None:
        return _within(check.rows, seen.profile.rows)
    if check.rows_change is not None:
        return _rows_change(check.rows_change, seen)
    if check.fresh_within is not None:
        return _fresh_within(check.fresh_within, seen)
    name = check.column
    column = seen.profile.columns.get(name) if name is not None else None
    if name is None or column is None:
        return _FAILED
    if check.completeness is not None:
        return _share(check.completeness, column.there, seen.profile.rows)
    if check.distinct_share is not None:
        return _share(check.distinct_share, column.told.distinct, column.told.count)
    if check.allowed_values is not None:
        return _allowed_values(check.allowed_values, column, seen.profile.declared.get(name))
    if check.drift is not None:
        return _drift(check.drift, name, column, seen)
    if check.bias is not None:
        return _bias(check.bias, name, seen)
    return _FAILED


def _rows_change(bounds: ChangeBounds, seen: Evidence) -> DataCheckResult:
    if seen.baseline is None or not seen.baseline.rows:
        return _SKIPPED
    return _within(bounds, (seen.profile.rows - seen.baseline.rows) / seen.baseline.rows)


def _fresh_within(length: str, seen: Evidence) -> DataCheckResult:
    if seen.newest is None:
        return _FAILED
    # The clocks of S3 and of the node may differ.
    age = max((seen.now - seen.newest).total_seconds(), 0.0)
    return _judged(age, age <= parse_duration(length).total_seconds())


def _share(bounds: ShareBounds, part: int, whole: int) -> DataCheckResult:
    return _within(bounds, part / whole) if whole else _FAILED


def _allowed_values(allowed: list[str], column: ColumnProfile, declared: ColumnType | None) -> DataCheckResult:
    """Exact wherever it can pass: a column of so many values that counts are but bounds has others than these."""
    if column.values is None:
        return _FAILED
    *_, others = column.values.of(list(dict.fromkeys(text(value, declared) for value in allowed)))
    return _judged(others, others == 0)


def _drift(bound: DriftBound, name: str, column: ColumnProfile, seen: Evidence) -> DataCheckResult:
    before = seen.baseline
    if before is None or not before.rows or (baseline := before.column(name)) is None:
        return _SKIPPED
    distance = drift(bound.metric, baseline, before.rows, column, seen.profile.rows)
    return _FAILED if distance is None else _judged(distance, distance <= bound.max)


def _bias(bound: BiasBound, name: str, seen: Evidence) -> DataCheckResult:
    if seen.profile.groups is None:
        return _FAILED
    measured = seen.profile.groups.measured(name, bound.metric)
    if bound.group is not None:
        value = measured.by_group.get(text(bound.group, seen.profile.declared.get(name)))
        return _FAILED if value is None else _within(bound, value)
    values = [value for value in measured.by_group.values() if value is not None]
    if not values:
        return _FAILED
    worst = max(values, key=lambda value: _excess(bound, value))
    whole = measured.whole and len(values) == len(measured.by_group)
    return _judged(worst, whole and _excess(bound, worst) <= 0)


def _within(bounds: Bounds, value: float) -> DataCheckResult:
    return _judged(value, _excess(bounds, value) <= 0)


def _judged(value: float, good: bool) -> DataCheckResult:
    return DataCheckResult(value=value, outcome="Passed" if good else "Failed")


def _excess(bounds: Bounds, value: float) -> float:
    """How far a value is beyond the bounds; not above 0 where it is within them."""
    below = bounds.min - value if bounds.min is not None else None
    above = value - bounds.max if bounds.max is not None else None
    return max(excess for excess in (below, above) if excess is not None)
