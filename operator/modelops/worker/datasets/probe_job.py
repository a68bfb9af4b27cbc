"""Probe the source in a Job, where the operator does not list it itself, and wait until the data settles."""

import logging
import time
from collections.abc import Callable

from modelops.api.contract.tasks import ProbeTask
from modelops.worker.datasets.sources import SourceState
from modelops.worker.runtime.errors import TaskError

MAX_PROBES = 100
"""Limit of the wait: a Job that waits forever would hide that the data never settles."""
_log = logging.getLogger(__name__)


def wait_until_stable(
    probe: Callable[[], SourceState], task: ProbeTask, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[SourceState, bool]:
    """Probe until two probes in a row, `settle_seconds` apart, show the same state.

    Returns the state, and whether the task names it as known. A known state needs no second probe.

    Raises:
        TaskError: SourceChanged, after MAX_PROBES.
        Exception: whatever `probe` raises.
    """
    previous = probe()
    for _ in range(MAX_PROBES):
        if previous.token in task.known_digests or previous.token == task.known_token:
            return previous, True
        if task.settle_seconds <= 0:
            return previous, False
        _log.info("%d objects, %d bytes: next probe in %g s", previous.objects, previous.bytes, task.settle_seconds)
        sleep(task.settle_seconds)
        state = probe()
        if state.token == previous.token:
            return state, False
        previous = state
    raise TaskError(
        "SourceChanged",
        f"the data does not settle: {MAX_PROBES} probes, {task.settle_seconds:g} s apart, each found a change",
    )
