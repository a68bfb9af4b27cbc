"""What failed checks say to people, and whether they reject the data or only warn of it. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from modelops.api.checks import BiasBound, ChangeBounds, DataCheck, DataCheckResult, DriftMetric, RowBounds, ShareBounds
from modelops.api.durations import format_duration
from modelops.api.types import OnViolation

_MOST_SHOWN = 5
_MOST_DECIMALS = 17
_DISTANCES = {DriftMetric.PSI: "PSI", DriftMetric.JENSEN_SHANNON: "Jensen-Shannon distance"}
_Bounds = RowBounds | ChangeBounds | ShareBounds | BiasBound
_Spelling = Callable[[float, int], str]
"""A value with so many decimals."""


def rejecting(checks: Sequence[DataCheck], results: Sequence[DataCheckResult]) -> list[str]:
    """A sentence for each check that failed and rejects. Of data that could not be read there are no results."""
    return _failed(checks, results, "Reject")


def warning(checks: Sequence[DataCheck], results: Sequence[DataCheckResult]) -> list[str]:
    """A sentence for each check that failed and only warns."""
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
        return _of_all(check, value)
    return f'column "{check.column}": {_unknown(check) if value is None else _of_a_column(check, value)}'


def _of_all(check: DataCheck, value: float | None) -> str:
    if check.fresh_within is not None:
        if value is None:
            return f"newest object: nobody knows when it was written, must be within {check.fresh_within}"
        age = format_duration(timedelta(seconds=math.ceil(value)))
        return f"newest object: {age} old, must be at most {check.fresh_within}"
    if check.rows_change is not None and value is not None:
        return f"rows: {_against(check.rows_change, value, _change, ' against the current snapshot')}"
    if check.rows is not None and value is not None:
        return f"rows: {_against(check.rows, value, _whole)}"
    return "a check that this version does not know cannot pass"


def _of_a_column(check: DataCheck, value: float) -> str:
    if check.completeness is not None:
        return _against(check.completeness, value, _percent, " of the values are there")
    if check.distinct_share is not None:
        return _against(check.distinct_share, value, _percent, " of the values are different")
    if check.allowed_values is not None:
        shown = ", ".join(f'"{one}"' for one in check.allowed_values[:_MOST_SHOWN])
        more = ", …" if len(check.allowed_values) > _MOST_SHOWN else ""
        return f"{value:.0f} {'value is' if value == 1 else 'values are'} none of {shown}{more}"
    if check.drift is not None:
        found, wanted = _apart(value, check.drift.max, _plain)
        return f"{_DISTANCES[check.drift.metric]} {found} against the current snapshot, must be at most {wanted}"
    if check.bias is not None:
        group = f'group "{check.bias.group}"' if check.bias.group is not None else "the worst group"
        if not _violated(check.bias, value):
            return f"{check.bias.metric} cannot be measured of every group: there are too many, or one has no label"
        return f"{check.bias.metric} {_against(check.bias, value, _plain, f' of {group}')}"
    return "a check that this version does not know cannot pass"


def _unknown(check: DataCheck) -> str:
    """Why there was nothing to measure."""
    if check.drift is not None:
        return "no drift can be measured: the column is missing, or was of another type in the current snapshot"
    if check.bias is not None:
        group = f'group "{check.bias.group}"' if check.bias.group is not None else "any group"
        return f"{check.bias.metric} cannot be measured of {group}: there are no such rows, no others, or no labels"
    return "the column is missing, or has no values"


def _against(bounds: _Bounds, value: float, spelled: _Spelling, what: str = "") -> str:
    if bounds.min is not None and value < bounds.min:
        found, wanted = _apart(value, bounds.min, spelled)
        return f"{found}{what}, must be at least {wanted}"
    found, wanted = _apart(value, bounds.max if bounds.max is not None else value, spelled)
    return f"{found}{what}, must be at most {wanted}"


def _violated(bounds: _Bounds, value: float) -> bool:
    return (bounds.min is not None and value < bounds.min) or (bounds.max is not None and value > bounds.max)


def _apart(value: float, bound: float, spelled: _Spelling) -> tuple[str, str]:
    """Both in as few decimals, from two on, as tell them apart."""
    for decimals in range(2, _MOST_DECIMALS):
        if spelled(value, decimals) != spelled(bound, decimals):
            break
    return spelled(value, decimals), spelled(bound, decimals)


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
