"""Memory of the process about rollouts under way, between two reconciles. The only stateful part of an analysis.

Nothing in it has to survive: an operator that restarts begins new windows and runs the checks again.
"""

from collections.abc import Callable
from dataclasses import replace

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion, InferenceServiceStatus
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.check_runner import CheckRunner
from modelops.controllers.inferenceservice.analysis.destinations import Destinations, FindService
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evaluation import window_ends
from modelops.controllers.inferenceservice.analysis.reports import MonitorReport
from modelops.controllers.inferenceservice.analysis.windows import RolloutAttempt, Side, Windows
from modelops.controllers.inferenceservice.observation import Observation, WindowCounts
from modelops.machinery import metrics
from modelops.machinery.plan import Plan
from modelops.machinery.resources import INFERENCE_SERVICES, Key
from modelops.machinery.scheduling.fair_budget import FairBudget

_ENTRIES, _ENTRIES_SHARE = 1_000_000, 400_000
"""Bins, words and columns of the contents of all windows, of about 100 bytes each."""


class AnalysisMemory:
    """Windows of what Pods counted, and the last results of checks, for each attempt under way."""

    def __init__(self) -> None:
        self._requests: Windows[Counters] = Windows()
        self._contents: Windows[MonitorReport] = Windows()
        self._entries: FairBudget[RolloutAttempt] = FairBudget(_ENTRIES, _ENTRIES_SHARE)
        self._checks = CheckRunner()

    def with_evidence(self, seen: Observation) -> Observation:
        """Return the observation with what the candidate has done since its last analysis."""
        candidate = seen.service.status.candidate
        if candidate is None:
            return seen
        attempt = _attempt(seen.service, candidate)
        self._count_requests(seen, attempt, candidate)
        self._count_contents(seen, attempt, candidate)
        return replace(
            seen,
            window=WindowCounts(
                self._requests.window(attempt, "candidate") or Counters(),
                self._requests.window(attempt, "stable") or Counters(),
                self._contents.window(attempt, "candidate"),
                self._contents.window(attempt, "stable"),
            ),
            check_run=self._checks.last(attempt),
        )

    def remember(
        self, seen: Observation, decided: Plan, enqueue: Callable[[Key], None], find_service: FindService
    ) -> None:
        """Begin a new window after an analysis and in a new step, start the checks that are due, forget other attempts.

        `enqueue` has the InferenceService reconciled once the checks have results.
        """
        status = decided.status
        assert isinstance(status, InferenceServiceStatus), "every plan of an InferenceService has its status"
        before, now = seen.service.status.candidate, status.candidate
        uid = seen.service.metadata.uid
        current = _attempt(seen.service, now) if now is not None else None
        for memory in (self._requests, self._contents, self._entries, self._checks):
            memory.keep_only(lambda attempt: attempt.service_uid != uid or attempt == current)
        spec = seen.service.spec.analysis
        if now is None or current is None or spec is None:
            return
        if before is None or _begins_window(spec, before, now):
            self._requests.begin(current)
            self._contents.begin(current)
        if now.step_since is not None:
            self._run_checks(seen, spec, current, now, enqueue, find_service)

    def _count_requests(self, seen: Observation, attempt: RolloutAttempt, candidate: CandidateVersion) -> None:
        """Add what the proxies counted.

        Behind a Gateway the candidate's Pods count the requests that it answers. Otherwise the stable Pods count the
        requests that they pass on.
        """
        through_gateway = seen.service.spec.gateway is not None
        kept = set()
        for revision in seen.revisions:
            for pod in revision.living:
                stats = seen.proxy_stats.get(pod.state.name)
                if stats is None:
                    continue
                kept.add(pod.state.uid)
                if revision.name == seen.stable:
                    self._requests.add(attempt, "stable", pod.state.uid, stats.model)
                    if not through_gateway:
                        self._requests.add(attempt, "candidate", pod.state.uid, stats.candidate)
                elif through_gateway and revision.name == candidate.revision:
                    self._requests.add(attempt, "candidate", pod.state.uid, stats.model)
        self._requests.keep_pods(attempt, kept)

    def _count_contents(self, seen: Observation, attempt: RolloutAttempt, candidate: CandidateVersion) -> None:
        """Add what the monitors counted: each revision's own Pods report what they answered.

        A report for which there is no memory is left out, as that of a Pod that does not answer.
        """
        sides: dict[str | None, Side] = {seen.stable: "stable", candidate.revision: "candidate"}
        namespace = seen.service.metadata.namespace
        kept, readings = set(), 0
        for revision in seen.revisions:
            side = sides.get(revision.name)
            for pod in revision.living:
                report = seen.monitor_reports.get(pod.state.name)
                if report is None or side is None:
                    continue
                # The reading itself, and at most as much again in the sums.
                if not self._entries.set(namespace, attempt, self._summed(attempt) + readings + 2 * report.entries):
                    metrics.REPORTS_LEFT_OUT.inc()
                    continue
                kept.add(pod.state.uid)
                readings += report.entries
                self._contents.add(attempt, side, pod.state.uid, report)
        self._contents.keep_pods(attempt, kept)
        self._entries.set(namespace, attempt, self._summed(attempt) + readings)

    def _summed(self, attempt: RolloutAttempt) -> int:
        """Return the number of entries in an attempt's sums."""
        sums = (self._contents.window(attempt, "stable"), self._contents.window(attempt, "candidate"))
        return sum(contents.entries for contents in sums if contents is not None)

    def _run_checks(
        self,
        seen: Observation,
        spec: Analysis,
        attempt: RolloutAttempt,
        candidate: CandidateVersion,
        enqueue: Callable[[Key], None],
        find_service: FindService,
    ) -> None:
        last, arguments = self._checks.last(attempt), seen.check_arguments(candidate)
        current = last is not None and last.holds_for(arguments, candidate.step_since)
        if last is not None and current and seen.now - last.started_at < parse_duration(spec.interval):
            return
        metadata = seen.service.metadata
        key = Key(INFERENCE_SERVICES.kind, metadata.namespace, metadata.name)
        destinations = Destinations(seen.settings, metadata.namespace, find_service)
        self._checks.start(key, attempt, spec.checks, arguments, destinations, enqueue)


def _attempt(service: InferenceService, candidate: CandidateVersion) -> RolloutAttempt:
    return RolloutAttempt(service.metadata.uid, candidate.attempt)


def _begins_window(spec: Analysis, before: CandidateVersion, now: CandidateVersion) -> bool:
    """Return whether a new step has taken effect, or an analysis has used up its window."""
    if now.step_since is not None and before.step_since != now.step_since:
        return True
    if now.analysis is None or (before.analysis is not None and before.analysis.at == now.analysis.at):
        return False
    return window_ends(spec, now.analysis)
