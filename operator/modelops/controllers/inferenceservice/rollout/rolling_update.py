"""A new revision replaces the stable one Pod by Pod, behind one Service. Pure."""

from dataclasses import replace

from modelops.controllers.inferenceservice.desired_state import DesiredRevision, DesiredRevisions, objects, removals
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.rollout.annotations import RESUME, nothing_to_do
from modelops.controllers.inferenceservice.rollout.completion import promote, remove
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.controllers.inferenceservice.rollout.state import RolloutState
from modelops.controllers.inferenceservice.rollout.status import build_status, with_serving_suffix
from modelops.controllers.inferenceservice.rollout.transitions import Outcome, Transition, transition
from modelops.controllers.inferenceservice.traffic.capacity import weight_of
from modelops.machinery.conditions import DesiredCondition, format_timestamp, in_progress, stalled
from modelops.machinery.plan import Plan


def rolling_update(seen: Observation, state: RolloutState) -> Plan:
    """Delete as many of the old Pods as there are new ones that are ready, until there are no old ones."""
    old = [revision for revision in seen.revisions if revision.name != seen.target]
    # New Pods replace old ones only once the Service selects them.
    kept = other_replicas(seen.target_revision if seen.selects_all_revisions else None, old, seen.full_size)
    if sum(kept.values()) < sum(revision.replicas for revision in old):
        # An old Pod that is deleted stays deleted. Progress by new Pods that are ready only now and then has no end.
        progress = {"progress_since": format_timestamp(seen.now)}
        state = replace(state, candidate=state.candidate.model_copy(update=progress))
    moved = transition(state)
    if moved.outcome is Outcome.PROMOTED:
        return promote(seen, state.candidate)
    if moved.outcome is not None:
        assert moved.cause is not None, "every other outcome has a cause"
        return remove(seen, state.candidate, moved.cause)
    replicas = target_replicas(seen.target_revision, seen.full_size)
    if (moved.cause is not None or state.requests.paused) and seen.target_revision is not None:
        # No Pod is replaced after a failure or during a pause, until a person decides.
        kept, replicas = {revision.name: revision.replicas for revision in old}, seen.target_revision.replicas
    desired = _desired(seen, replicas, old, kept)
    weight = weight_of(state.ready, sum(revision.ready for revision in old))
    return Plan(
        apply=objects(seen, desired),
        delete=removals(seen, desired),
        status=build_status(seen, moved.candidate.model_copy(update={"replicas": replicas, "weight": weight})),
        conditions=_conditions(seen, state, moved),
        events=(
            *nothing_to_do(state.early_requests, "there was no candidate yet"),
            *nothing_to_do(moved.ignored, "a rolling update has no step from which"),
        ),
        requeue_after=moved.requeue_after,
    )


def _desired(seen: Observation, replicas: int, old: list[ObservedRevision], kept: dict[str, int]) -> DesiredRevisions:
    assert isinstance(seen.selected, RevisionTemplate)
    revisions = [
        DesiredRevision(seen.selected, replicas),
        *(DesiredRevision(_template(seen, revision), kept[revision.name]) for revision in old),
    ]
    return DesiredRevisions(revisions, selected=None, candidate_selected=seen.selected.revision)


def _template(seen: Observation, revision: ObservedRevision) -> RevisionTemplate:
    """Return the stable template as it was applied, and that of any other revision as its Deployment has it."""
    stable = seen.stable_template
    return stable if stable is not None and revision.name == seen.stable else revision.template


def _conditions(seen: Observation, state: RolloutState, moved: Transition) -> tuple[DesiredCondition, ...]:
    pods = f"{state.ready} of {state.full_size} Pods of ModelVersion {state.candidate.version} are ready"
    if moved.cause is not None:
        return stalled(moved.cause.reason, f"{moved.cause.message}; {pods}; waiting for {moved.waiting_for}")
    problem = state.problem
    if problem is None:
        pause = f"; waiting for {RESUME}" if state.requests.paused else ""
        return in_progress("RollingOut", f"{pods}{pause}")
    if problem.stuck:
        return stalled(problem.reason, with_serving_suffix(seen, problem.message))
    return in_progress(problem.reason, f"{pods}; {problem.message}")
