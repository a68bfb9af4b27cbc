"""Gates before a candidate's next step, in order: the rollout waits for the first closed gate. Pure.

A candidate advances when no gate is closed. So the condition message, the next reconcile and the transition itself
cannot disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from modelops.controllers.inferenceservice.analysis.results import describe_checks
from modelops.controllers.inferenceservice.rollout.annotations import RESUME
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.machinery.conditions import parse_timestamp

_SOON = timedelta(milliseconds=300)
_TERMINATING = timedelta(seconds=1)
_ROUNDING = timedelta(seconds=1)
"""The status rounds times down to seconds, and a hold lasts at least as long as the spec says."""


@dataclass(frozen=True)
class ClosedGate:
    """Gate before the next step that has not opened: the reason to wait, and when to evaluate the gate again."""

    waiting_for: str
    requeue_after: timedelta | None = None
    """When time alone may open the gate; None where an event does."""


def first_closed_gate(state: RolloutState) -> ClosedGate | None:
    """Return the first gate that holds the candidate back; None where it may advance."""
    return next((closed for gate in GATES if (closed := gate(state)) is not None), None)


def _pods_ready(state: RolloutState) -> ClosedGate | None:
    """To enter a step, and for promotion: the Pods that the step or all requests need."""
    if _in_step(state) or state.ready >= state.pods_needed:
        return None
    return ClosedGate(f"Pods, {state.ready} of {state.pods_needed} ready{_problem(state)}", _after_deadline(state))


def _former_candidate_gone(state: RolloutState) -> ClosedGate | None:
    """Before the first step and for promotion: proxies keep connections to the Pods of a former candidate."""
    if state.step is not None or state.former_gone:
        return None
    return ClosedGate("the Pods of a former candidate to terminate", _TERMINATING)


def _traffic_in_effect(state: RolloutState) -> ClosedGate | None:
    """While a step is entered: the traffic has the step's weight, since when `hold` counts."""
    if state.step is None or _in_step(state):
        return None
    weight = state.step.weight
    waiting_for = f"traffic to shift to {weight}%" if weight else "the routes to take effect"
    return ClosedGate(waiting_for + (f"; {state.route_problem}" if state.route_problem else ""), _SOON)


def _not_paused(state: RolloutState) -> ClosedGate | None:
    """Before each step, and in a rolling update, whose promotion deletes the last stable Pod.

    After the steps of a rollout, a pause does not hold back the promotion.
    """
    is_rolling = not state.steps
    if not state.requests.paused or (state.after_last_step and not is_rolling):
        return None
    return ClosedGate(RESUME)


def _service_switched(state: RolloutState) -> ClosedGate | None:
    """Before the first step: requests that are forwarded to the candidate's Service must reach the candidate."""
    if state.after_last_step or state.candidate.step > 0 or state.service_switched:
        return None
    return ClosedGate("the candidate's Service to select the candidate", _SOON)


def _hold_over(state: RolloutState) -> ClosedGate | None:
    """In a step: the hold is over. A step without a hold lasts until a person promotes."""
    step, since = state.step, state.candidate.step_since
    if step is None or since is None:
        return None
    if step.hold is None:
        return ClosedGate(f"a person to promote{_missing_pods(state)}")
    left = parse_timestamp(since) + step.hold + _ROUNDING - state.now
    if left <= timedelta(0):
        return None
    return ClosedGate(f"the end of the hold, {max(1, round(left.total_seconds()))}s left{_missing_pods(state)}", left)


def _analysis_passed(state: RolloutState) -> ClosedGate | None:
    """In a step: an analysis has passed, and none failed since.

    In a step without requests only the user's own checks can pass.
    """
    spec, analysis, step = state.rollout.analysis, state.candidate.analysis, state.step
    if spec is None or step is None:
        return None
    if step.weight == 0 and step.mirror == 0:
        outcomes = {check.name: check.outcome for check in analysis.checks} if analysis is not None else {}
        passed = "Failed" not in outcomes.values() and all(
            outcomes.get(check.name) == "Passed" for check in spec.checks
        )
    else:
        passed = analysis is not None and analysis.passes > 0 and analysis.failures == 0
    if passed:
        return None
    return ClosedGate(f"a passing analysis, {_last_analysis(state)}{_missing_pods(state)}", _after_deadline(state))


GATES: tuple[Callable[[RolloutState], ClosedGate | None], ...] = (
    _pods_ready,
    _former_candidate_gone,
    _traffic_in_effect,
    _not_paused,
    _service_switched,
    _hold_over,
    _analysis_passed,
)


def _in_step(state: RolloutState) -> bool:
    """Return whether the traffic of the candidate's step is in effect."""
    return state.step is not None and state.candidate.step_since is not None


def _after_deadline(state: RolloutState) -> timedelta | None:
    left = state.until_deadline
    return None if left is None else max(left, timedelta(0)) + _ROUNDING


def _last_analysis(state: RolloutState) -> str:
    analysis = state.candidate.analysis
    if analysis is None:
        return "none yet"
    checks = describe_checks(analysis.checks, analysis.outcome)
    return f"last: {analysis.outcome}" + (f", {checks}" if checks else "")


def _missing_pods(state: RolloutState) -> str:
    """Return how many Pods are ready if some are missing, in a step that does not wait for them."""
    ready, needed = state.ready, state.pods_needed
    return f"; {ready} of {needed} Pods ready{_problem(state)}" if ready < needed else ""


def _problem(state: RolloutState) -> str:
    return f"; {state.problem.message}" if state.problem is not None else ""
