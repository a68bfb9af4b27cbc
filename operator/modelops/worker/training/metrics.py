"""The trainer's final metrics: /opt/ml/output/metrics.json, a flat JSON object of finite numbers."""

import json
import math
import os
from pathlib import Path
from typing import Any

from modelops.worker.runtime.errors import TaskError
from modelops.worker.runtime.regular_file import open_regular_file

MOST = 50
LONGEST_NAME = 64
MOST_BYTES = 2800
"""What all metrics together may take in the report, beside the artifact and a failure's message."""
_LARGEST_FILE_BYTES = 1 << 20


def read_metrics(file: Path) -> dict[str, float]:
    """The metrics in `file`, none where there is no file. Raises TaskError(InvalidMetrics) naming the wrong one."""
    if not os.path.lexists(file):
        return {}
    plain = open_regular_file(file)
    if plain is None:
        raise _invalid("is no plain file; write one flat JSON object")
    with plain:
        text = plain.read(_LARGEST_FILE_BYTES + 1)
    if len(text) > _LARGEST_FILE_BYTES:
        raise _invalid("is no small file; write one flat JSON object")
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except ValueError as error:
        raise _invalid(f"is no JSON: {error}") from error
    except RecursionError as error:
        raise _invalid("is nested too deep; write one flat JSON object") from error
    return checked(content)


def checked(content: Any) -> dict[str, float]:
    """The metrics as floats. Raises TaskError(InvalidMetrics). Pure."""
    if not isinstance(content, dict):
        raise _invalid("is no JSON object; write names and numbers")
    if len(content) > MOST:
        raise _invalid(f"has {len(content)} metrics; at most {MOST} are kept")
    for name, value in content.items():
        if not name or len(name) > LONGEST_NAME:
            raise _invalid(f'has the name "{name[:80]}"; a name has 1 to {LONGEST_NAME} characters')
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(f'has no number as "{name}" but {json.dumps(value)[:80]}')
        if not _is_finite(value):
            raise _invalid(f'has {str(value)[:20]} as "{name}"; a metric is a finite number')
    metrics = {name: float(value) for name, value in content.items()}
    try:
        size = len(json.dumps(metrics, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        raise _invalid("has a name that is no valid Unicode text") from error
    if size > MOST_BYTES:
        raise _invalid(f"takes {size} bytes, at most {MOST_BYTES} are kept; use fewer metrics or shorter names")
    return metrics


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer that no float can hold.
        return False


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        raise ValueError("a name appears twice")
    return seen


def _invalid(what: str) -> TaskError:
    return TaskError("InvalidMetrics", f"/opt/ml/output/metrics.json {what}")
