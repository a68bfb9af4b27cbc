"""The stable revision serves alone, with all its Pods. Pure."""

from datetime import timedelta

from modelops.api.inferenceservice_status import FailedVersion, InferenceServiceStatus
from modelops.controllers.inferenceservice.desired_state import DesiredRevision, DesiredRevisions, objects, removals
from modelops.controllers.inferenceservice.observation import Observation
from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do
from modelops.controllers.inferenceservice.rollout.pod_problems import revision_problem
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.controllers.inferenceservice.rollout.status import build_status
from modelops.controllers.inferenceservice.traffic.shift import route_problem, traffic_shifted
from modelops.machinery.conditions import DesiredCondition, in_progress, ready
from modelops.machinery.plan import Event, Plan

_SOON = timedelta(milliseconds=300)
_ROUTE_POLL = timedelta(seconds=3)
"""HTTPRoutes are not watched, since their definition need not be installed."""


def steady_state(
    seen: Observation,
    conditions: tuple[DesiredCondition, ...] = (),
    failed: FailedVersion | None = None,
    events: tuple[Event, ...] = (),
) -> Plan:
    """Have the stable revision serve alone.

    `conditions` replace those that say how the revision serves. `failed` is a version whose rollout has just ended.
    """
    status, others = build_status(seen, failed=failed), _other_revisions(seen)
    desired = _restored(seen, others) if _restoring(seen) else _alone(seen, others)
    return Plan(
        apply=objects(seen, desired),
        delete=removals(seen, desired),
        status=status,
        conditions=conditions or _how_it_serves(seen, status),
        events=(*events, *_withdrawn(seen, failed), *_ignored(seen, failed)),
        requeue_after=_requeue_after(seen, others),
    )


def _restoring(seen: Observation) -> bool:
    """Return whether a rolling update is being taken back: the others answer until the stable Pods are all ready."""
    return seen.selects_all_revisions and (seen.stable_revision is None or seen.stable_revision.ready < seen.full_size)


def _alone(seen: Observation, others: list[ObservedRevision]) -> DesiredRevisions:
    """Return the stable revision. The others are deleted once no proxy forwards requests to them."""
    replicas, template, shifted = seen.service.spec.replicas, _stable_template(seen), traffic_shifted(seen, None)
    revision = DesiredRevision(
        template,
        seen.full_size,
        autoscaler_max=replicas.max,
        # While traffic shifts back an autoscaler must not remove Pods that had no requests until now.
        autoscaler_min=seen.full_size if others else replicas.min,
    )
    return DesiredRevisions(
        [revision],
        selected=template.revision,
        candidate_selected=_candidate_selected(seen, shifted),
        removed=others if shifted else (),
    )


def _restored(seen: Observation, others: list[ObservedRevision]) -> DesiredRevisions:
    """Return all revisions, of which the stable one gets its Pods back."""
    kept = other_replicas(seen.stable_revision, others, seen.full_size)
    revisions = [
        DesiredRevision(_stable_template(seen), target_replicas(seen.stable_revision, seen.full_size)),
        *(DesiredRevision(other.template, kept[other.name]) for other in others),
    ]
    return DesiredRevisions(
        revisions, selected=None, candidate_selected=_candidate_selected(seen, traffic_shifted(seen, None))
    )


def _candidate_selected(seen: Observation, shifted: bool) -> str:
    """Return the revision that the candidate's Service selects.

    The Service keeps its revision while proxies may forward requests to it. With the stable revision too early, stable
    Pods would forward requests to themselves in a circle.
    """
    return seen.stable if seen.stable is not None and shifted else seen.candidate_service_revision


def _requeue_after(seen: Observation, others: list[ObservedRevision]) -> timedelta | None:
    if _restoring(seen):
        return None
    if others:
        return _SOON
    return _ROUTE_POLL if route_problem(seen) else None


def _stable_template(seen: Observation) -> RevisionTemplate:
    assert seen.stable_template is not None, "a revision that has served is recorded"
    return seen.stable_template


def _other_revisions(seen: Observation) -> list[ObservedRevision]:
    return [revision for revision in seen.revisions if revision.name != seen.stable]


def _how_it_serves(seen: Observation, status: InferenceServiceStatus) -> tuple[DesiredCondition, ...]:
    stable = status.stable
    assert stable is not None, "only a revision that serves is described"
    pods = f"{stable.ready} of {stable.replicas} Pods of ModelVersion {stable.version} are ready"
    if stable.ready < stable.replicas:
        problem = revision_problem(seen.stable_revision)
        if problem is None:
            return in_progress("PodsNotReady", pods)
        return in_progress(problem.reason, f"{pods}; {problem.message}")
    if _other_revisions(seen):
        return in_progress("RollingOut", f"{pods}; deleting the Pods of other revisions")
    if rejected := route_problem(seen):
        return in_progress("RouteNotAccepted", f"{pods}; {rejected}")
    count = f"{stable.replicas} Pod{'s' if stable.replicas != 1 else ''}"
    return ready("Serving", f"ModelVersion {stable.version} serves with {count} at {status.url}")


def _withdrawn(seen: Observation, failed: FailedVersion | None) -> tuple[Event, ...]:
    before = seen.service.status.candidate
    if before is None or failed is not None or before.revision == seen.stable:
        return ()
    return (Event("Withdrawn", f"ModelVersion {before.version} is no longer selected or approved"),)


def _ignored(seen: Observation, failed: FailedVersion | None) -> tuple[Event, ...]:
    words = seen.requests.words if failed is None else ()
    return nothing_to_do(words, "there is no candidate")
