"""A candidate beside the stable revision, which keeps all its Pods and forwards the candidate's traffic. Pure."""

from dataclasses import replace
from datetime import timedelta

from modelops.controllers.inferenceservice.desired_state import DesiredRevision, DesiredRevisions, objects, removals
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.scaling import desired_replicas
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.rollout.analysis_schedule import (
    analysis_events,
    check_job_names,
    check_jobs,
    until_next_analysis,
    with_analysis,
)
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do
from modelops.controllers.inferenceservice.rollout.completion import promote, remove
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.rollout.status import build_status, with_serving_suffix
from modelops.controllers.inferenceservice.rollout.transitions import Outcome, Transition, transition
from modelops.controllers.requeue import earliest
from modelops.machinery.conditions import DesiredCondition, in_progress, stalled
from modelops.machinery.plan import Event, Plan

_SOON = timedelta(milliseconds=300)


def stepped(seen: Observation, state: RolloutState) -> Plan:
    """Analyse the candidate, advance it if it may, and give it the Pods and the traffic of its step."""
    state = with_analysis(seen, state)
    moved = transition(state)
    if moved.outcome is Outcome.PROMOTED:
        return promote(seen, state.candidate)
    if moved.outcome is not None:
        assert moved.cause is not None, "every other outcome has a cause"
        return remove(seen, state.candidate, moved.cause)
    after = replace(state, candidate=moved.candidate)
    desired = _desired(seen, after)
    candidate = after.candidate.model_copy(update={"replicas": desired.revisions[1].replicas})
    next_analysis = until_next_analysis(after)
    return Plan(
        apply=(*objects(seen, desired), *check_jobs(seen, after)),
        delete=removals(seen, desired),
        status=build_status(seen, candidate),
        conditions=_conditions(seen, after, moved),
        events=_events(seen, state, after, moved.ignored),
        requeue_after=earliest(
            moved.requeue_after,
            max(next_analysis, timedelta(0)) if next_analysis is not None else None,
            _SOON if seen.former_revisions else None,
        ),
    )


def _desired(seen: Observation, state: RolloutState) -> DesiredRevisions:
    """Return the stable revision, then the candidate.

    The stable revision keeps its Pods while the candidate answers for them: an autoscaler would remove those without
    work, and with them the measure of what all requests take. The candidate's Service selects the candidate as soon as
    a Pod is ready and no request can be forwarded to a former candidate.
    """
    spec, revision, template = seen.service.spec.replicas, seen.target_revision, seen.stable_template
    assert template is not None, "a stable revision serves beside the candidate"
    assert isinstance(seen.selected, RevisionTemplate)
    step, minimum = state.step_in_effect, state.pods_needed
    if revision is not None and not state.traffic_shifted:
        # A rollout that starts again with a smaller weight still gets the requests of the greater one.
        minimum = max(minimum, revision.replicas)
    maximum = max(spec.max, minimum) if spec.max is not None else None
    stable = DesiredRevision(
        template,
        state.full_size,
        step,
        autoscaler_max=spec.max,
        autoscaler_min=state.full_size if state.candidate.weight else spec.min,
        captured=step is not None,
    )
    candidate = DesiredRevision(
        seen.selected,
        desired_replicas(minimum, maximum, revision.deployment if revision is not None else None),
        autoscaler_max=maximum,
        autoscaler_min=minimum,
        captured=step is not None,
    )
    switches = state.ready and state.former_gone
    return DesiredRevisions(
        [stable, candidate],
        selected=seen.stable,
        candidate_selected=state.candidate.revision if switches else seen.candidate_service_revision,
        removed=seen.former_revisions if state.traffic_shifted else (),
        check_jobs=check_job_names(seen, state),
    )


def _conditions(seen: Observation, state: RolloutState, moved: Transition) -> tuple[DesiredCondition, ...]:
    message = f"{_position(state)} ({state.candidate.weight}% of traffic): waiting for {moved.waiting_for}"
    if moved.cause is not None:
        return stalled(moved.cause.reason, f"{moved.cause.message}; {message}")
    if state.problem is not None and state.problem.stuck:
        return stalled(state.problem.reason, with_serving_suffix(seen, state.problem.message))
    return in_progress("RollingOut", message)


def _events(seen: Observation, state: RolloutState, after: RolloutState, ignored: tuple[str, ...]) -> tuple[Event, ...]:
    known = seen.service.status.candidate
    analysis = known.analysis if known is not None and known.attempt == state.candidate.attempt else None
    return (
        *analysis_events(analysis, state.candidate.analysis),
        *_step_event(state, after),
        *nothing_to_do(state.early_requests, "there was no candidate yet"),
        *nothing_to_do(ignored, "there is no step from which"),
    )


def _step_event(before: RolloutState, after: RolloutState) -> tuple[Event, ...]:
    """Return an Event if the candidate enters another step, or its weight changes within a step."""
    candidate = after.candidate
    if (before.candidate.weight, before.candidate.step) == (candidate.weight, candidate.step):
        return ()
    return (Event("Step", f"ModelVersion {candidate.version}: {_position(after)}, {candidate.weight}% of traffic"),)


def _position(state: RolloutState) -> str:
    return "after the last step" if state.after_last_step else f"step {state.candidate.step}/{len(state.steps)}"
