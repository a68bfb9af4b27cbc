"""Sentences for failed checks: those that reject the data, and those that only warn. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from modelops.api.checks import BiasBound, ChangeBounds, DataCheck, DataCheckResult, DriftMetric, RowBounds, ShareBounds
from modelops.api.durations import format_duration
from modelops.api.types import OnViolation

_MOST_SHOWN = 5
_MOST_DECIMALS = 17
_UNSUPPORTED = "unknown kind of check: upgrade the operator"
_DISTANCES = {DriftMetric.PSI: "PSI", DriftMetric.JENSEN_SHANNON: "Jensen-Shannon distance"}
_Bounds = RowBounds | ChangeBounds | ShareBounds | BiasBound
_Format = Callable[[float, int], str]
"""Writes a value with a number of decimals."""


def rejections(checks: Sequence[DataCheck], results: Sequence[DataCheckResult]) -> list[str]:
    """Return a sentence for each failed check with onViolation=Reject.

    `results` are in the order of `checks`, or empty if the data could not be read.
    """
    return _failed(checks, results, "Reject")


def warnings(checks: Sequence[DataCheck], results: Sequence[DataCheckResult]) -> list[str]:
    """Return a sentence for each failed check with onViolation=Warn; the arguments are those of `rejections`."""
    return _failed(checks, results, "Warn")


def _failed(checks: Sequence[DataCheck], results: Sequence[DataCheckResult], on_violation: OnViolation) -> list[str]:
    if not results:
        return []
    return [
        _sentence(check, result.value)
        for check, result in zip(checks, results, strict=True)
        if result.outcome == "Failed" and check.on_violation == on_violation
    ]


def _sentence(check: DataCheck, value: float | None) -> str:
    if check.column is None:
        return _of_snapshot(check, value)
    return f'column "{check.column}": {_unmeasured(check) if value is None else _of_column(check, value)}'


def _of_snapshot(check: DataCheck, value: float | None) -> str:
    if check.fresh_within is not None:
        if value is None:
            return f"newest object: unknown age, must be at most {check.fresh_within}"
        age = format_duration(timedelta(seconds=math.ceil(value)))
        return f"newest object: {age} old, must be at most {check.fresh_within}"
    if check.rows_change is not None and value is not None:
        return f"rows: {_against(check.rows_change, value, _change, ' against the current snapshot')}"
    if check.rows is not None and value is not None:
        return f"rows: {_against(check.rows, value, _whole)}"
    return _UNSUPPORTED


def _of_column(check: DataCheck, value: float) -> str:
    if check.completeness is not None:
        return _against(check.completeness, value, _percent, " of the values are present")
    if check.distinct_share is not None:
        return _against(check.distinct_share, value, _percent, " of the values are distinct")
    if check.allowed_values is not None:
        allowed = ", ".join(f'"{text}"' for text in check.allowed_values[:_MOST_SHOWN])
        more = ", …" if len(check.allowed_values) > _MOST_SHOWN else ""
        return f"{value:.0f} {'value is' if value == 1 else 'values are'} not among {allowed}{more}"
    if check.drift is not None:
        measured, bound = _distinguishable(value, check.drift.max, _plain)
        return f"{_DISTANCES[check.drift.metric]} {measured} against the current snapshot, must be at most {bound}"
    if check.bias is not None:
        group = f'group "{check.bias.group}"' if check.bias.group is not None else "the worst group"
        if not _violated(check.bias, value):
            return f"{check.bias.metric} cannot be measured for every group: too many groups, or a group without labels"
        return f"{check.bias.metric} {_against(check.bias, value, _plain, f' for {group}')}"
    return _UNSUPPORTED


def _unmeasured(check: DataCheck) -> str:
    """Return why the check of a column has no value."""
    if check.drift is not None:
        return "drift cannot be measured: the column is missing, or had another type in the current snapshot"
    if check.bias is not None:
        group = f'group "{check.bias.group}"' if check.bias.group is not None else "any group"
        return (
            f"{check.bias.metric} cannot be measured for {group}: no rows in the group, no rows outside, or no labels"
        )
    return "the column is missing, or has no values"


def _against(bounds: _Bounds, value: float, format_: _Format, what: str = "") -> str:
    if bounds.min is not None and value < bounds.min:
        measured, bound = _distinguishable(value, bounds.min, format_)
        return f"{measured}{what}, must be at least {bound}"
    measured, bound = _distinguishable(value, bounds.max if bounds.max is not None else value, format_)
    return f"{measured}{what}, must be at most {bound}"


def _violated(bounds: _Bounds, value: float) -> bool:
    return (bounds.min is not None and value < bounds.min) or (bounds.max is not None and value > bounds.max)


def _distinguishable(value: float, bound: float, format_: _Format) -> tuple[str, str]:
    """Write both numbers with the fewest decimals, at least two, that make them differ."""
    for decimals in range(2, _MOST_DECIMALS):
        if format_(value, decimals) != format_(bound, decimals):
            break
    return format_(value, decimals), format_(bound, decimals)


def _whole(value: float, _: int) -> str:
    return f"{value:.0f}"


def _plain(value: float, decimals: int) -> str:
    return _trimmed(f"{value:.{decimals}f}")


def _percent(value: float, decimals: int) -> str:
    return _trimmed(f"{100 * value:.{decimals - 1}f}") + "%"


def _change(value: float, decimals: int) -> str:
    return _trimmed(f"{100 * value:+.{decimals - 1}f}") + "%"


def _trimmed(number: str) -> str:
    short = number.rstrip("0").rstrip(".")
    return "0" if short in ("-0", "+0", "-", "+", "") else short
