"""Run hooks and Prometheus queries in the background: a few at a time, and never while a queue worker waits."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from modelops.api.inferenceservice_status import AnalysisCheckResult
from modelops.api.rollout import AnalysisCheck
from modelops.controllers.background import Background
from modelops.controllers.inferenceservice.analysis.arguments import CheckArguments
from modelops.controllers.inferenceservice.analysis.destinations import Destinations, NotAllowedError
from modelops.controllers.inferenceservice.analysis.hooks import call_hook
from modelops.controllers.inferenceservice.analysis.prometheus import query_prometheus
from modelops.controllers.inferenceservice.analysis.results import check_result
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.resources import Key

_CONCURRENCY = 32
_SHARE = 4
"""Checks of one namespace at once: a hook that does not answer keeps its slot for half a minute."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckRun:
    """Results of one run of an attempt's checks."""

    started_at: datetime
    """Start of the run: the results do not show what the candidate did later."""
    arguments: CheckArguments
    """Candidate, step and stable version that the checks ran for."""
    results: Mapping[str, AnalysisCheckResult]
    """Results by the checks' names."""

    def holds_for(self, arguments: CheckArguments, step_since: str | None) -> bool:
        """Return whether the checks ran on the candidate as it is now.

        Results of an earlier step do not let the candidate leave this step, which took effect at `step_since`.
        """
        return self.arguments == arguments and step_since is not None and self.started_at >= parse_timestamp(step_since)


class CheckRunner(Background[RolloutAttempt, CheckRun]):
    """Last run of each attempt's checks, and the runs under way: one at a time for each InferenceService."""

    def __init__(self) -> None:
        super().__init__(_CONCURRENCY, _SHARE)

    def last(self, attempt: RolloutAttempt) -> CheckRun | None:
        """Return the last run of this attempt's checks."""
        return self._results.get(attempt)

    def start(
        self,
        key: Key,
        attempt: RolloutAttempt,
        checks: Iterable[AnalysisCheck],
        arguments: CheckArguments,
        destinations: Destinations,
        enqueue: Callable[[Key], None],
    ) -> None:
        """Run the checks with a hook or a Prometheus query, then wake the InferenceService."""
        remote = [check for check in checks if check.hook is not None or check.prometheus is not None]
        if not remote:
            return

        async def run() -> CheckRun:
            started_at = datetime.now(UTC)
            results = await asyncio.gather(*(self._run(check, arguments, destinations) for check in remote))
            return CheckRun(started_at, arguments, {result.name: result for result in results})

        self._start(key, attempt, run, enqueue)

    async def _run(
        self, check: AnalysisCheck, arguments: CheckArguments, destinations: Destinations
    ) -> AnalysisCheckResult:
        try:
            async with self._slots.hold(arguments.namespace):
                if check.hook is not None:
                    server = await destinations.hook(check.hook.url)
                    return await call_hook(check.name, check.hook, arguments, server)
                assert check.prometheus is not None, "start() passes hooks and queries only"
                server = await destinations.prometheus(check.prometheus.address)
                return await query_prometheus(check.name, check.prometheus, arguments, server)
        except NotAllowedError as error:
            return check_result(check.name, "Error", str(error))
        except Exception as error:
            _log.exception("check %s failed to run", check.name)
            # The error's words stay in the log: they may quote a response that the user has no access to.
            message = f"internal error {type(error).__name__}: see the operator's log"
            return check_result(check.name, "Error", message)
