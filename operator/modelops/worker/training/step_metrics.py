"""Lines of the trainer's /opt/ml/output/metrics.jsonl: JSON objects with a step and the metrics at that step. Pure."""

import json
import math
from typing import Any, NamedTuple

from modelops.worker.runtime.unicode_text import is_utf8
from modelops.worker.training.metrics import MAX_METRICS, MAX_NAME_LENGTH

_STEP = "step"
_TOTALS = ("total_steps", "totalSteps", "max_steps")
_MAX_STEP = 2**53
"""Largest integer up to which a JSON number is exact in every language."""


class MetricsLine(NamedTuple):
    """Content of one line."""

    step: int
    total_steps: int | None
    metrics: dict[str, float]


def parse_line(text: bytes, number: int) -> MetricsLine | None:
    """Return the content of line `number`, counted from 1; None if the line is not a JSON object.

    A line without a valid step has its number as its step. Values that are not finite numbers are left out.
    """
    try:
        document = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    step = _step(document.get(_STEP))
    totals = (_step(document.get(name)) for name in _TOTALS)
    return MetricsLine(
        step=number if step is None else step,
        total_steps=next((total for total in totals if total), None),
        metrics=_metrics(document),
    )


def _metrics(document: dict[str, Any]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name, value in document.items():
        if name == _STEP or name in _TOTALS or not _is_name(name):
            continue
        number = _number(value)
        if number is not None and len(metrics) < MAX_METRICS:
            metrics[name] = number
    return metrics


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_LENGTH and is_utf8(name)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _step(value: Any) -> int | None:
    """Return a number of steps, also one that was written as 10.0; None for any other value."""
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and 0 <= number <= _MAX_STEP else None
