"""A survey: look whether there is anything new, and wait until it holds still."""

import logging
import time
from collections.abc import Callable

from modelops.api.contract.tasks import ProbeTask
from modelops.worker.datasets.sources import Look
from modelops.worker.runtime.errors import TaskError

MOST_LOOKS = 100
"""Then it is told that the data does not hold still: a Job must not wait for that forever."""
_log = logging.getLogger(__name__)


def settled(
    look: Callable[[], Look], survey: ProbeTask, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[Look, bool]:
    """What is there once two looks in a row show the same, and whether that is known already.

    What is known is not waited for. Raises TaskError(SourceChanged) after MOST_LOOKS, and what `look` raises.
    """
    before = look()
    for _ in range(MOST_LOOKS):
        if before.token in survey.known_digests or before.token == survey.known_token:
            return before, True
        if survey.settle_seconds <= 0:
            return before, False
        _log.info("%d objects, %d bytes: looking again in %g s", before.objects, before.bytes, survey.settle_seconds)
        sleep(survey.settle_seconds)
        now = look()
        if now.token == before.token:
            return now, False
        before = now
    raise TaskError(
        "SourceChanged", f"the data has not held still for {survey.settle_seconds:g} s since {MOST_LOOKS} looks"
    )
