"""Initial rollout: no version serves that the candidate could be compared with, or rolled back to. Pure."""

from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.controllers.inferenceservice.desired_state import DesiredRevision, DesiredRevisions, objects, removals
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.pod.scaling import desired_replicas
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.rollout.status import build_status
from modelops.machinery.conditions import DesiredCondition, in_progress, parse_timestamp, stalled
from modelops.machinery.plan import Plan


def initial(seen: Observation, state: RolloutState) -> Plan:
    """Create all Pods at once, and have the Service select them. A late Pod still serves once it is ready."""
    assert isinstance(seen.selected, RevisionTemplate)
    spec, revision = seen.service.spec.replicas, seen.target_revision
    replicas = desired_replicas(spec.min, spec.max, revision.deployment if revision is not None else None)
    desired = DesiredRevisions(
        [DesiredRevision(seen.selected, replicas, autoscaler_max=spec.max, autoscaler_min=spec.min)],
        selected=seen.target,
        candidate_selected=seen.selected.revision,
        removed=seen.former_revisions,
    )
    candidate = state.candidate.model_copy(update={"steps": 0, "step": 0, "weight": 0, "replicas": replicas})
    left = parse_timestamp(candidate.since) + parse_duration(state.rollout.deadline) - seen.now
    return Plan(
        apply=objects(seen, desired),
        delete=removals(seen, desired),
        status=build_status(seen, candidate),
        conditions=_conditions(state, replicas, left),
        events=nothing_to_do(seen.requests.words, "no version serves yet, so there is no candidate"),
        requeue_after=left + timedelta(seconds=1) if left > timedelta(0) else None,
    )


def _conditions(state: RolloutState, replicas: int, left: timedelta) -> tuple[DesiredCondition, ...]:
    pods, problem = (
        f"{state.ready} of {replicas} Pods of ModelVersion {state.candidate.version} are ready",
        state.problem,
    )
    if problem is not None and problem.stuck:
        return stalled(problem.reason, problem.message)
    if left <= timedelta(0):
        cause = problem.message if problem is not None else "the model's readiness probe fails"
        return stalled("RolloutFailed", f"{pods} after {state.rollout.deadline}: {cause}")
    if problem is not None:
        return in_progress(problem.reason, f"{pods}; {problem.message}")
    return in_progress("RollingOut", pods)
