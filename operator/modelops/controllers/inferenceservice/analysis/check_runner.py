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


class Asker:
    """The last answers for each attempt, and the questions under way: one round of them for each InferenceService."""

    def __init__(self, unasked: frozenset[LocalAddress] = frozenset(LocalAddress)) -> None:
        self._unasked = unasked
        self._last: dict[Attempt, Answers] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    def last(self, attempt: Attempt) -> Answers | None:
        """The last answers for this very attempt."""
        return self._last.get(attempt)

    def running(self, key: Key) -> bool:
        """Whether an InferenceService's checks are being asked."""
        return key in self._running

    def start(
        self, key: Key, attempt: Attempt, checks: Iterable[Check], subject: Subject, enqueue: Callable[[Key], None]
    ) -> None:
        """Ask those of the checks that can be asked, and have the InferenceService woken once all have answered."""
        asked = [check for check in checks if check.hook is not None or check.prometheus is not None]
        if key in self._running or not asked:
            return

        async def run() -> None:
            try:
                asked_at = datetime.now(UTC)
                results = await asyncio.gather(*(self._ask(check, subject) for check in asked))
                self._last[attempt] = Answers(asked_at, subject, {one.name: one for one in results})
            finally:
                del self._running[key]
                enqueue(key)

        self._running[key] = asyncio.create_task(run(), name=f"checks of {key}")

    def keep_only(self, under_way: Callable[[Attempt], bool]) -> None:
        """Forget attempts that are over."""
        self._last = {attempt: answers for attempt, answers in self._last.items() if under_way(attempt)}

    def __len__(self) -> int:
        return len(self._last)

    async def _ask(self, check: Check, subject: Subject) -> CheckResult:
        try:
            async with self._places:
                if check.hook is not None:
                    return await ask_hook(check.name, check.hook, subject, self._unasked)
                assert check.prometheus is not None, "it is one of the two"
                return await ask_prometheus(check.name, check.prometheus, subject, self._unasked)
        except Exception as error:
            _log.exception("a check failed to be asked")
            # No words of the error: they may be those of an answer, which the user may not read.
            message = f"it could not be asked: {type(error).__name__}; the operator's log says more"
            return CheckResult(name=check.name, outcome="Error", message=message)
