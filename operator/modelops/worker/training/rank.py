"""Which of the workers that train together this Pod is."""

import os

from modelops.worker.runtime.errors import TaskError

_VARIABLE = "JOB_COMPLETION_INDEX"


def own_rank() -> int:
    """Counted from 0, as an Indexed Job tells it; 0 where there is only one worker. Raises TaskError(InvalidTask)."""
    text = os.environ.get(_VARIABLE, "0")
    if not text.isdecimal():
        raise TaskError("InvalidTask", f"{_VARIABLE} is {text!r}, and no rank")
    return int(text)
