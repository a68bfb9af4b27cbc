"""Final metrics of the trainer: /opt/ml/output/metrics.json, a flat JSON object of finite numbers."""

import json
import math
import os
from pathlib import Path
from typing import Any

from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.regular_file import open_regular_file

MAX_METRICS = 50
MAX_NAME_LENGTH = 64
MAX_TOTAL_BYTES = 2800
"""Size of all metrics as JSON that fits the report, beside the artifact and a failure's message."""
_MAX_FILE_BYTES = 1 << 20


def read_metrics(file: Path) -> dict[str, float]:
    """Return the metrics in `file`; empty without a file. Raises TaskError(InvalidMetrics)."""
    if not os.path.lexists(file):
        return {}
    content = open_regular_file(file)
    if content is None:
        raise _invalid("is not a regular file; write one flat JSON object")
    with content:
        text = content.read(_MAX_FILE_BYTES + 1)
    if len(text) > _MAX_FILE_BYTES:
        raise _invalid("is larger than 1 MiB; write one flat JSON object")
    try:
        document = json.loads(text, object_pairs_hook=_without_repeated_names)
    except ValueError as error:
        raise _invalid(f"is not valid JSON: {error}") from error
    except RecursionError as error:
        raise _invalid("is nested too deeply; write one flat JSON object") from error
    return validate_metrics(document)


def validate_metrics(document: Any) -> dict[str, float]:
    """Return the metrics as floats. Raises TaskError(InvalidMetrics) that names the first invalid one. Pure."""
    if not isinstance(document, dict):
        raise _invalid("is not a JSON object; write names and numbers")
    if len(document) > MAX_METRICS:
        raise _invalid(f"has {len(document)} metrics; write at most {MAX_METRICS}")
    for name, value in document.items():
        if not name or len(name) > MAX_NAME_LENGTH:
            raise _invalid(f'has a metric named "{name[:80]}"; a name has 1 to {MAX_NAME_LENGTH} characters')
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(f'has {json.dumps(value)[:80]} as "{name}"; a metric is a number')
        if not _is_finite(value):
            raise _invalid(f'has {str(value)[:20]} as "{name}"; a metric is a finite number')
    metrics = {name: float(value) for name, value in document.items()}
    try:
        size = len(json.dumps(metrics, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        raise _invalid("has a name that is not valid Unicode text; rename the metric") from error
    if size > MAX_TOTAL_BYTES:
        raise _invalid(f"takes {size} of at most {MAX_TOTAL_BYTES} bytes; use fewer metrics or shorter names")
    return metrics


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer too large for a float.
        return False


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name appears twice")
    return document


def _invalid(problem: str) -> TaskError:
    return TaskError("InvalidMetrics", f"/opt/ml/output/metrics.json {problem}")
