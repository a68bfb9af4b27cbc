"""A line of the trainer's /opt/ml/output/metrics.jsonl: a JSON object with a step and the metrics at it. Pure."""

import json
import math
from typing import Any, NamedTuple

from modelops.worker.training.metrics import LONGEST_NAME, MOST

_STEP = "step"
_TOTALS = ("total_steps", "totalSteps", "max_steps")
_LARGEST = 2**53


class Line(NamedTuple):
    """What a line says."""

    step: int
    total_steps: int | None
    metrics: dict[str, float]


def parsed(text: bytes, number: int) -> Line | None:
    """The line with this number, counted from 1; None where it is no JSON object.

    A line without a usable step has its number as its step. What is no finite number is no metric.
    """
    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    step = _count(content.get(_STEP))
    totals = (_count(content.get(name)) for name in _TOTALS)
    return Line(number if step is None else step, next((total for total in totals if total), None), _metrics(content))


def _metrics(content: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in content.items():
        if name == _STEP or name in _TOTALS or not _is_name(name):
            continue
        number = _number(value)
        if number is not None and len(found) < MOST:
            found[name] = number
    return found


def _is_name(name: str) -> bool:
    # A lone surrogate, which JSON can hold and UTF-8 cannot, would spoil the whole report.
    return 0 < len(name) <= LONGEST_NAME and not any("\ud800" <= one <= "\udfff" for one in name)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: Any) -> int | None:
    """A whole number, also one that was written as 10.0."""
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and 0 <= number <= _LARGEST else None
