"""Asking hooks and Prometheus in the background: a few at a time, and never in a queue worker's time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from modelops.api.addresses import Near
from modelops.api.inferenceservice_status import AnalysisCheckResult
from modelops.api.rollout import AnalysisCheck
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.hooks import call_hook
from modelops.controllers.inferenceservice.analysis.prometheus import query_prometheus
from modelops.controllers.inferenceservice.analysis.windows import Attempt
from modelops.machinery.background import Background
from modelops.machinery.conditions import moment
from modelops.machinery.resources import Key

_AT_ONCE = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckRun:
    """What the checks of an attempt said when they were last asked."""

    asked_at: datetime
    """When asking began: what a candidate did later is not in the answers."""
    subject: CheckArguments
    """About whom."""
    results: Mapping[str, AnalysisCheckResult]
    """By the check's name."""

    def holds_for(self, subject: CheckArguments, step_since: str | None) -> bool:
        """Return whether the checks ran on the candidate in its present step, which took effect at `step_since`.

        What they said in the step before does not let the candidate leave this one.
        """
        return self.subject == subject and step_since is not None and self.asked_at >= moment(step_since)


class CheckRunner(Background[Attempt, CheckRun]):
    """The last answers for each attempt, and the questions under way: one round of them for each InferenceService."""

    def __init__(self, unasked: frozenset[Near] = frozenset(Near)) -> None:
        super().__init__(_AT_ONCE)
        self._unasked = unasked

    def last(self, attempt: Attempt) -> CheckRun | None:
        """The last answers for this very attempt."""
        return self._results.get(attempt)

    def start(
        self,
        key: Key,
        attempt: Attempt,
        checks: Iterable[AnalysisCheck],
        subject: CheckArguments,
        wake: Callable[[Key], None],
    ) -> None:
        """Ask those of the checks that can be asked, and have the InferenceService woken once all have answered."""
        asked = [check for check in checks if check.hook is not None or check.prometheus is not None]
        if not asked:
            return

        async def ask() -> CheckRun:
            asked_at = datetime.now(UTC)
            results = await asyncio.gather(*(self._ask(check, subject) for check in asked))
            return CheckRun(asked_at, subject, {one.name: one for one in results})

        self._start(key, attempt, ask, wake)

    async def _ask(self, check: AnalysisCheck, subject: CheckArguments) -> AnalysisCheckResult:
        try:
            async with self._slots:
                if check.hook is not None:
                    return await call_hook(check.name, check.hook, subject, self._unasked)
                assert check.prometheus is not None, "it is one of the two"
                return await query_prometheus(check.name, check.prometheus, subject, self._unasked)
        except Exception as error:
            _log.exception("a check failed to be asked")
            # No words of the error: they may be those of an answer, which the user may not read.
            message = f"it could not be asked: {type(error).__name__}; the operator's log says more"
            return AnalysisCheckResult(name=check.name, outcome="Error", message=message)
