"""Asking hooks and Prometheus in the background: a few at a time, and never in a queue worker's time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from modelops.api.addresses import LocalAddress
from modelops.api.inferenceservice_status import CheckResult
from modelops.api.rollout import Check
from modelops.controllers.inferenceservice.analysis.arguments import Subject
from modelops.controllers.inferenceservice.analysis.hooks import ask_hook
from modelops.controllers.inferenceservice.analysis.prometheus import ask_prometheus
from modelops.controllers.inferenceservice.analysis.windows import Attempt
from modelops.machinery.background import Background
from modelops.machinery.resources import Key

_AT_ONCE = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What the checks of an attempt said when they were last asked."""

    asked_at: datetime
    """When asking began: what a candidate did later is not in the answers."""
    subject: Subject
    """About whom."""
    results: Mapping[str, CheckResult]
    """By the check's name."""


class Asker(Background[Attempt, Answers]):
    """The last answers for each attempt, and the questions under way: one round of them for each InferenceService."""

    def __init__(self, unasked: frozenset[LocalAddress] = frozenset(LocalAddress)) -> None:
        super().__init__(_AT_ONCE)
        self._unasked = unasked

    def last(self, attempt: Attempt) -> Answers | None:
        """The last answers for this very attempt."""
        return self._results.get(attempt)

    def start(
        self, key: Key, attempt: Attempt, checks: Iterable[Check], subject: Subject, enqueue: Callable[[Key], None]
    ) -> None:
        """Ask those of the checks that can be asked, and have the InferenceService woken once all have answered."""
        asked = [check for check in checks if check.hook is not None or check.prometheus is not None]
        if not asked:
            return

        async def ask() -> Answers:
            asked_at = datetime.now(UTC)
            results = await asyncio.gather(*(self._ask(check, subject) for check in asked))
            return Answers(asked_at, subject, {one.name: one for one in results})

        self._start(key, attempt, ask, enqueue)

    async def _ask(self, check: Check, subject: Subject) -> CheckResult:
        try:
            async with self._slots:
                if check.hook is not None:
                    return await ask_hook(check.name, check.hook, subject, self._unasked)
                assert check.prometheus is not None, "it is one of the two"
                return await ask_prometheus(check.name, check.prometheus, subject, self._unasked)
        except Exception as error:
            _log.exception("a check failed to be asked")
            # No words of the error: they may be those of an answer, which the user may not read.
            message = f"it could not be asked: {type(error).__name__}; the operator's log says more"
            return CheckResult(name=check.name, outcome="Error", message=message)
