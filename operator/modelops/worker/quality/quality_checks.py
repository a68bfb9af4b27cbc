"""Evaluate `spec.checks` on a snapshot as a whole. A check whose value cannot be measured fails."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from modelops.api.checks import BiasBound, ChangeBounds, DataCheck, DataCheckResult, DriftBound, RowBounds, ShareBounds
from modelops.api.durations import parse_duration
from modelops.api.types import ColumnType
from modelops.worker.quality.baselines import Baseline
from modelops.worker.quality.drift import drift
from modelops.worker.quality.profiling import ColumnProfile, Profile
from modelops.worker.tabular.canonical_text import canonical_text

_FAILED = DataCheckResult(outcome="Failed")
_SKIPPED = DataCheckResult(outcome="Skipped")


Bounds = RowBounds | ChangeBounds | ShareBounds | BiasBound


class CheckInputs(NamedTuple):
    """Everything that checks measure."""

    profile: Profile
    baseline: Baseline | None
    last_modified: datetime | None
    """Time at which the newest object was written; None if not known."""
    now: datetime


def evaluate(checks: Sequence[DataCheck], inputs: CheckInputs) -> list[DataCheckResult]:
    """Evaluate each check; results are in the order of the checks. Pure."""
    return [_evaluate(check, inputs) for check in checks]


def _evaluate(check: DataCheck, inputs: CheckInputs) -> DataCheckResult:
    if check.rows is not None:
        return _within(check.rows, inputs.profile.rows)
    if check.rows_change is not None:
        return _rows_change(check.rows_change, inputs)
    if check.fresh_within is not None:
        return _fresh_within(check.fresh_within, inputs)
    name = check.column
    column = inputs.profile.columns.get(name) if name is not None else None
    if name is None or column is None:
        return _FAILED
    if check.completeness is not None:
        return _share(check.completeness, column.present, inputs.profile.rows)
    if check.distinct_share is not None:
        return _share(check.distinct_share, column.distribution.distinct, column.distribution.count)
    if check.allowed_values is not None:
        return _allowed_values(check.allowed_values, column, inputs.profile.declared.get(name))
    if check.drift is not None:
        return _drift(check.drift, name, column, inputs)
    if check.bias is not None:
        return _bias(check.bias, name, inputs)
    return _FAILED


def _rows_change(bounds: ChangeBounds, inputs: CheckInputs) -> DataCheckResult:
    if inputs.baseline is None or not inputs.baseline.rows:
        return _SKIPPED
    return _within(bounds, (inputs.profile.rows - inputs.baseline.rows) / inputs.baseline.rows)


def _fresh_within(limit: str, inputs: CheckInputs) -> DataCheckResult:
    if inputs.last_modified is None:
        return _FAILED
    # The clocks of S3 and of the node may differ.
    age = max((inputs.now - inputs.last_modified).total_seconds(), 0.0)
    return _result(age, passed=age <= parse_duration(limit).total_seconds())


def _share(bounds: ShareBounds, part: int, whole: int) -> DataCheckResult:
    return _within(bounds, part / whole) if whole else _FAILED


def _allowed_values(allowed: list[str], column: ColumnProfile, declared: ColumnType | None) -> DataCheckResult:
    """Count the values that are not allowed.

    The outcome is exact: counts are lower bounds only in a column of very many values, most of which are not allowed.
    """
    if column.categorical is None:
        return _FAILED
    *_, others = column.categorical.counts_of(list(dict.fromkeys(canonical_text(value, declared) for value in allowed)))
    return _result(others, passed=others == 0)


def _drift(bound: DriftBound, name: str, column: ColumnProfile, inputs: CheckInputs) -> DataCheckResult:
    baseline = inputs.baseline
    if baseline is None or not baseline.rows or (baseline_column := baseline.column(name)) is None:
        return _SKIPPED
    distance = drift(bound.metric, baseline_column, baseline.rows, column, inputs.profile.rows)
    return _FAILED if distance is None else _result(distance, passed=distance <= bound.max)


def _bias(bound: BiasBound, name: str, inputs: CheckInputs) -> DataCheckResult:
    if inputs.profile.facets is None:
        return _FAILED
    metrics = inputs.profile.facets.metrics(name, bound.metric)
    if bound.group is not None:
        value = metrics.by_group.get(canonical_text(bound.group, inputs.profile.declared.get(name)))
        return _FAILED if value is None else _within(bound, value)
    values = [value for value in metrics.by_group.values() if value is not None]
    if not values:
        return _FAILED
    worst = max(values, key=lambda value: _excess(bound, value))
    complete = metrics.complete and len(values) == len(metrics.by_group)
    return _result(worst, passed=complete and _excess(bound, worst) <= 0)


def _within(bounds: Bounds, value: float) -> DataCheckResult:
    return _result(value, passed=_excess(bounds, value) <= 0)


def _result(value: float, *, passed: bool) -> DataCheckResult:
    return DataCheckResult(value=value, outcome="Passed" if passed else "Failed")


def _excess(bounds: Bounds, value: float) -> float:
    """Return how far a value is outside the bounds; zero or negative if it is within them."""
    below = bounds.min - value if bounds.min is not None else None
    above = value - bounds.max if bounds.max is not None else None
    return max(excess for excess in (below, above) if excess is not None)
