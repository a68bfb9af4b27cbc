"""InferenceService: observe, decide, and keep count of what a candidate does between two looks."""

from dataclasses import replace

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import CandidateVersion, InferenceServiceStatus
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.check_runner import Asker
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.judge import window_ends
from modelops.controllers.inferenceservice.analysis.reports import PodReport
from modelops.controllers.inferenceservice.analysis.windows import Attempt, Ledger, Side
from modelops.controllers.inferenceservice.observe import Observation, Windows, observe
from modelops.controllers.inferenceservice.plan import plan
from modelops.controllers.inferenceservice.rollout.analysis_schedule import asked_in_this_step, subject
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan
from modelops.machinery.resources import INFERENCE_SERVICES, Key


class Analyst:
    """What this process remembers of candidates on their way: windows of figures, and what checks have answered."""

    def __init__(self) -> None:
        self._ledger: Ledger[Counters] = Ledger()
        self._contents: Ledger[PodReport] = Ledger()
        self._asker = Asker()

    def with_evidence(self, seen: Observation) -> Observation:
        """The observation with what the candidate has done since it was judged last."""
        candidate = seen.service.status.candidate
        if candidate is None:
            return seen
        attempt = _attempt(seen.service, candidate)
        self._take(seen, attempt, candidate)
        self._take_contents(seen, attempt, candidate)
        return replace(
            seen,
            windows=Windows(
                self._ledger.window(attempt, "candidate") or Counters(),
                self._ledger.window(attempt, "stable") or Counters(),
                self._contents.window(attempt, "candidate"),
                self._contents.window(attempt, "stable"),
            ),
            answers=self._asker.last(attempt),
        )

    def after(self, seen: Observation, decided: Plan, context: ReconcileContext) -> None:
        """Begin a window anew after a judgement and in a new step, and ask what is to be asked."""
        status = decided.status
        assert isinstance(status, InferenceServiceStatus), "every plan of an InferenceService has its status"
        before, now = seen.service.status.candidate, status.candidate
        uid = seen.service.metadata.uid
        current = _attempt(seen.service, now) if now is not None else None
        self._ledger.keep_only(lambda one: one.service_uid != uid or one == current)
        self._contents.keep_only(lambda one: one.service_uid != uid or one == current)
        self._asker.keep_only(lambda one: one.service_uid != uid or one == current)
        spec = seen.service.spec.analysis
        if now is None or current is None or spec is None:
            return
        if before is None or _begins(spec, before, now):
            self._ledger.begin(current)
            self._contents.begin(current)
        if now.step_since is not None:
            self._ask(seen, spec, current, now, context)

    def _take(self, seen: Observation, attempt: Attempt, candidate: CandidateVersion) -> None:
        """Behind a Gateway the candidate's own Pods count what it answers, else the stable ones what they pass on."""
        through_gateway = seen.service.spec.gateway is not None
        kept = set()
        for member in seen.members:
            for pod in member.living:
                look = seen.looks.get(pod.state.name)
                if look is None:
                    continue
                kept.add(pod.state.uid)
                if member.revision == seen.stable:
                    self._ledger.take(attempt, "stable", pod.state.uid, look.model)
                    if not through_gateway:
                        self._ledger.take(attempt, "candidate", pod.state.uid, look.candidate)
                elif through_gateway and member.revision == candidate.revision:
                    self._ledger.take(attempt, "candidate", pod.state.uid, look.model)
        self._ledger.keep_pods(attempt, kept)

    def _take_contents(self, seen: Observation, attempt: Attempt, candidate: CandidateVersion) -> None:
        """Each revision's own Pods tell of what they answered."""
        sides: dict[str | None, Side] = {seen.stable: "stable", candidate.revision: "candidate"}
        kept = set()
        for member in seen.members:
            side = sides.get(member.revision)
            for pod in member.living:
                told = seen.reports.get(pod.state.name)
                if told is not None and side is not None:
                    kept.add(pod.state.uid)
                    self._contents.take(attempt, side, pod.state.uid, told)
        self._contents.keep_pods(attempt, kept)

    def _ask(
        self,
        seen: Observation,
        spec: Analysis,
        attempt: Attempt,
        candidate: CandidateVersion,
        context: ReconcileContext,
    ) -> None:
        last, about = self._asker.last(attempt), subject(seen, candidate)
        current = last is not None and asked_in_this_step(last, about, candidate)
        if last is not None and current and seen.now - last.asked_at < parse_duration(spec.interval):
            return
        metadata = seen.service.metadata
        key = Key(INFERENCE_SERVICES.kind, metadata.namespace, metadata.name)
        self._asker.start(key, attempt, spec.checks, about, context.enqueue)


async def decide(service: InferenceService, context: ReconcileContext, analyst: Analyst) -> Plan:
    """Decide what an InferenceService needs now."""
    seen = analyst.with_evidence(await observe(service, context))
    decided = plan(seen)
    analyst.after(seen, decided, context)
    return decided


def _attempt(service: InferenceService, candidate: CandidateVersion) -> Attempt:
    return Attempt(service.metadata.uid, candidate.attempt)


def _begins(spec: Analysis, before: CandidateVersion, now: CandidateVersion) -> bool:
    """A new step has taken effect, or a judgement has used up its window."""
    if now.step_since is not None and before.step_since != now.step_since:
        return True
    if now.analysis is None or (before.analysis is not None and before.analysis.at == now.analysis.at):
        return False
    return window_ends(spec, now.analysis)
