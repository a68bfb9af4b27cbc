"""What serves shall serve, with all its Pods and nothing beside it. Pure."""

from datetime import timedelta

from modelops.api.inferenceservice_status import FailedVersion
from modelops.controllers.inferenceservice.desired_state import (
    Fleet,
    Revision,
    bodies,
    checks_gone,
    gone,
    route_objection,
    traffic_follows,
    unneeded,
)
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.pod.template import REVISION, serving_of
from modelops.controllers.inferenceservice.revisions.observed import Member
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do, requests_of
from modelops.controllers.inferenceservice.rollout.pod_problems import of_revision
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.controllers.inferenceservice.rollout.status import full_size, shown
from modelops.machinery.conditions import DesiredCondition, in_progress, ready
from modelops.machinery.plan import Delete, Event, Plan
from modelops.machinery.resources import Body

_LOOK_AGAIN = timedelta(milliseconds=300)
_LOOK_AT_ROUTE = timedelta(seconds=3)
"""HTTPRoutes are not watched, since they need not be there."""


def serving_now(
    seen: Observation,
    told: tuple[DesiredCondition, ...] = (),
    failed: FailedVersion | None = None,
    events: tuple[Event, ...] = (),
) -> Plan:
    """The stable revision alone. `told` are the conditions, where something else is to be said than how it serves;
    `failed` has just come about.
    """
    fleet, leaving, requeue_after = _whole(seen) if not _short(seen) else _grown_back(seen)
    return Plan(
        apply=bodies(seen, fleet),
        delete=(*unneeded(seen, fleet), *leaving, *checks_gone(seen, None, 0)),
        status=shown(seen, failed=failed),
        conditions=told or _how_it_serves(seen),
        events=(*events, *_withdrawn(seen, failed), *_in_vain(seen, failed)),
        requeue_after=requeue_after,
    )


def _short(seen: Observation) -> bool:
    """Others answer beside it until it has all its Pods: it was about to be replaced Pod by Pod."""
    stable = seen.member(seen.stable)
    return seen.spanning and (stable is None or stable.ready < full_size(seen))


def _whole(seen: Observation) -> tuple[Fleet, tuple[Delete, ...], timedelta | None]:
    """Others go as soon as no proxy passes requests on to them."""
    wanted, others = seen.service.spec.replicas, _others(seen)
    full, follows = full_size(seen), traffic_follows(seen, None)
    # While requests come back no autoscaler takes away what was without work until now.
    revision = Revision(_template(seen), full, None, wanted.max, full if others else wanted.min)
    fleet = Fleet([revision], serving_of(revision.template).revision, _candidate_led_to(seen, follows))
    leaving = gone(seen, others, fleet.revisions) if follows else ()
    if others:
        return fleet, leaving, _LOOK_AGAIN
    return fleet, leaving, _LOOK_AT_ROUTE if route_objection(seen) else None


def _grown_back(seen: Observation) -> tuple[Fleet, tuple[Delete, ...], timedelta | None]:
    template, stable, others = _template(seen), seen.member(seen.stable), _others(seen)
    full = full_size(seen)
    kept = other_replicas(stable, others, full)
    revisions = [
        Revision(template, target_replicas(stable, full)),
        *(Revision(one.template, kept[one.name]) for one in others),
    ]
    return Fleet(revisions, None, _candidate_led_to(seen, traffic_follows(seen, None))), (), None


def _candidate_led_to(seen: Observation, follows: bool) -> str:
    return seen.stable if seen.stable is not None and follows else led_to(seen)


def _template(seen: Observation) -> Body:
    template = seen.stable_template
    assert template is not None, "a revision that has served is remembered"
    return template


def _others(seen: Observation) -> list[Member]:
    return [one for one in seen.members if one.revision != seen.stable]


def led_to(seen: Observation) -> str:
    """Where the candidate's Service leads now. It stays so while proxies may pass requests on to it: to lead back to
    themselves would have requests go round in circles.
    """
    selector = (seen.candidate_endpoint or {}).get("spec", {}).get("selector") or {}
    led_to: str = selector.get(REVISION) or seen.stable or ""
    return led_to


def _how_it_serves(seen: Observation) -> tuple[DesiredCondition, ...]:
    status, member = shown(seen), seen.member(seen.stable)
    stable = status.stable
    assert stable is not None, "asked of a revision that serves"
    pods = f"{stable.ready} of {stable.replicas} Pods of ModelVersion {stable.version} are ready"
    if stable.ready < stable.replicas:
        problem = of_revision(member)
        return (
            in_progress(problem.reason, f"{pods}; {problem.message}") if problem else in_progress("PodsNotReady", pods)
        )
    if _others(seen):
        return in_progress("RollingOut", f"{pods}; the Pods of other revisions are about to go")
    if refused := route_objection(seen):
        return in_progress("RouteNotAccepted", f"{pods}; {refused}")
    count = f"{stable.replicas} Pod{'s' if stable.replicas != 1 else ''}"
    return ready("Serving", f"ModelVersion {stable.version} serves with {count} at {status.url}")


def _withdrawn(seen: Observation, failed: FailedVersion | None) -> tuple[Event, ...]:
    before = seen.service.status.candidate
    if before is None or failed is not None or before.revision == seen.stable:
        return ()
    return (Event("Withdrawn", f"ModelVersion {before.version} is not wanted any more, or may not serve"),)


def _in_vain(seen: Observation, failed: FailedVersion | None) -> tuple[Event, ...]:
    asked = requests_of(seen.service).asked if failed is None else ()
    return nothing_to_do(asked, "there is no candidate")
