"""Rank of this Pod among the workers that train together."""

import os

from modelops.worker.runtime.errors import TaskError

_VARIABLE = "JOB_COMPLETION_INDEX"


def own_rank() -> int:
    """Return the index of this Pod in its Indexed Job, from 0; 0 in any other Job. Raises TaskError(InvalidTask)."""
    text = os.environ.get(_VARIABLE, "0")
    if not text.isdecimal():
        raise TaskError("InvalidTask", f"{_VARIABLE} is {text!r}, not a rank")
    return int(text)
