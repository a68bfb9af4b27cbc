"""The state machine of a rollout: how a candidate gets from step to step, and how its rollout ends. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

from modelops.api.inferenceservice_status import AnalysisResult, CandidateVersion
from modelops.controllers.inferenceservice.analysis.evaluation import in_new_step
from modelops.controllers.inferenceservice.analysis.results import describe_checks
from modelops.controllers.inferenceservice.rollout.gates import first_closed_gate
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.traffic.capacity import pods_for
from modelops.controllers.inferenceservice.traffic.steps import Step
from modelops.machinery.conditions import format_timestamp

ABORTED, ANALYSIS_FAILED, DEADLINE_EXCEEDED, DISCARDED = "Aborted", "AnalysisFailed", "DeadlineExceeded", "Discarded"


class Outcome(Enum):
    """How a rollout ends."""

    PROMOTED = auto()
    FAILED = auto()
    DISCARDED = auto()


@dataclass(frozen=True)
class Cause:
    """Reason for the end of a rollout, or for its failure while a person decides."""

    reason: str
    message: str


@dataclass(frozen=True)
class Transition:
    """Next state of a candidate: its status, and the outcome if the rollout ends."""

    candidate: CandidateVersion
    """The candidate's status after the transition."""
    outcome: Outcome | None = None
    """None while the rollout continues."""
    cause: Cause | None = None
    """Reason for the end without promotion, or for the hold by `onFailure: Pause`."""
    waiting_for: str = ""
    """End of the sentence "waiting for …"; empty if the rollout does not wait."""
    requeue_after: timedelta | None = None
    """When time alone may change something."""
    ignored: tuple[str, ...] = ()
    """Requests that have no effect."""


def transition(state: RolloutState) -> Transition:
    """Return the next transition: requests of a person come first, then failures, then the gates to the next step."""
    if state.requests.abort is not None:
        return Transition(state.candidate, Outcome.FAILED, Cause(ABORTED, state.requests.abort))
    failure = _failure(state)
    if failure is not None and state.rollout.on_failure == "Rollback":
        return Transition(state.candidate, Outcome.FAILED, failure)
    requested, ignored = _requested_step(state, failed=failure is not None)
    after = _with_clock(state)
    if requested is not None:
        after = _entering(after, requested)
        # A person overrules an analysis and a deadline, but not Pods that cannot recover.
        failure = failure if state.unrecoverable is not None else None
    if failure is not None:
        return Transition(after.candidate, None, failure, "a person to promote or abort", None, ignored)
    after = _advanced(after)
    closed = first_closed_gate(after)
    if closed is not None:
        return Transition(after.candidate, None, None, closed.waiting_for, closed.requeue_after, ignored)
    if after.after_last_step:
        return Transition(after.candidate, Outcome.PROMOTED, ignored=ignored)
    return Transition(after.candidate, Outcome.DISCARDED, _discarded(after), ignored=ignored)


def _failure(state: RolloutState) -> Cause | None:
    """Return the first reason for which the rollout fails."""
    analysis, spec, left = state.candidate.analysis, state.rollout.analysis, state.until_deadline
    if state.unrecoverable is not None:
        return Cause(state.unrecoverable.reason, state.unrecoverable.message)
    if analysis is not None and spec is not None and analysis.failures >= spec.failure_threshold:
        return Cause(ANALYSIS_FAILED, _failed_checks(analysis))
    if left is not None and left < timedelta(0):
        closed = first_closed_gate(state)
        waiting = f": waiting for {closed.waiting_for}" if closed is not None else ""
        return Cause(DEADLINE_EXCEEDED, f"no progress for {state.rollout.deadline}{waiting}")
    return None


def _failed_checks(analysis: AnalysisResult) -> str:
    return describe_checks(analysis.checks, "Failed") or f"{analysis.failures} analyses in a row failed"


def _requested_step(state: RolloutState, *, failed: bool) -> tuple[int | None, tuple[str, ...]]:
    """Return the step that a person promotes the candidate to, and the requests that have no effect.

    Without a step to leave (before the first one, after the last one, in a rolling update) a request to promote has an
    effect only on a failed rollout: the candidate enters its present step again.
    """
    requests, step, last = state.requests, state.candidate.step, len(state.steps)
    if requests.promote_full and not state.after_last_step:
        return last + 1, ()
    if requests.promote and state.step is not None:
        return step + 1, ()
    if requests.words and failed:
        return step, ()
    return None, requests.words


def _with_clock(state: RolloutState) -> RolloutState:
    """Stop the deadline's clock during a pause, and start it again after the pause."""
    if state.requests.paused:
        return _changed(state, progress_since=None)
    if state.candidate.progress_since is None:
        return _changed(state, progress_since=format_timestamp(state.now))
    return state


def _advanced(state: RolloutState) -> RolloutState:
    """Advance at most once: the traffic of a step takes effect, or the candidate enters the next step."""
    if state.step is not None and state.candidate.step_since is None:
        return _taking_effect(state, state.step)
    discards = state.step is not None and state.step.discards
    if state.after_last_step or discards or first_closed_gate(state) is not None:
        return state
    return _entering(state, state.candidate.step + 1)


def _taking_effect(state: RolloutState, step: Step) -> RolloutState:
    """Give the candidate the step's weight once it has the Pods for it, and note when the traffic has shifted."""
    if state.ready < pods_for(step, state.full_size):
        return state
    if state.candidate.weight != step.weight:
        return _changed(state, weight=step.weight)
    if not state.traffic_shifted:
        return state
    return _changed(state, step_since=format_timestamp(state.now), analysis=in_new_step(state.candidate.analysis))


def _entering(state: RolloutState, number: int) -> RolloutState:
    """Enter a step. The weight changes only if there are Pods for it; failed analyses in a row count from 0 again."""
    analysis = state.candidate.analysis
    entering = _changed(
        replace(state, traffic_shifted=False),
        step=number,
        step_since=None,
        progress_since=format_timestamp(state.now),
        analysis=analysis.model_copy(update={"failures": 0}) if analysis is not None else None,
    )
    step = entering.step
    if step is None or state.ready < pods_for(step, state.full_size):
        return entering
    return _changed(entering, weight=step.weight)


def _discarded(state: RolloutState) -> Cause:
    analysis = state.candidate.analysis
    last = f"; last analysis: {analysis.outcome}" if analysis is not None else ""
    return Cause(DISCARDED, f"shadow period over, candidate discarded (shadow.then){last}")


def _changed(state: RolloutState, **fields: object) -> RolloutState:
    return replace(state, candidate=state.candidate.model_copy(update=fields))
