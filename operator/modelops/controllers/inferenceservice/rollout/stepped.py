"""A candidate beside the stable revision, which keeps all its Pods and passes a share of its requests on. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from modelops.api.inferenceservice_status import CandidateVersion
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
from modelops.controllers.inferenceservice.pod.scaling import desired_replicas
from modelops.controllers.inferenceservice.rollout.analysis_schedule import (
    check_jobs,
    judged,
    until_due,
    verdict_events,
)
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do
from modelops.controllers.inferenceservice.rollout.completion import ended, promoted
from modelops.controllers.inferenceservice.rollout.context import Case
from modelops.controllers.inferenceservice.rollout.pod_problems import hopeless
from modelops.controllers.inferenceservice.rollout.state_machine import (
    Course,
    End,
    Scene,
    course,
    pods_wanted,
    stage_in_force,
)
from modelops.controllers.inferenceservice.rollout.status import full_size, going_on, shown
from modelops.controllers.inferenceservice.rollout.steady_state import led_to
from modelops.controllers.inferenceservice.traffic.steps import Stage
from modelops.machinery.conditions import DesiredCondition, in_progress, stalled
from modelops.machinery.plan import Event, Plan

_LOOK_AGAIN = timedelta(milliseconds=300)


def in_steps(case: Case) -> Plan:
    """Judge it, move it, and give it the Pods and the requests of the stage where it is then."""
    scene = _scene(case)
    move = course(scene)
    if move.end is End.PROMOTED:
        return promoted(case)
    if move.end is not None:
        assert move.verdict is not None, "whatever goes does so for a reason"
        return ended(replace(case, candidate=scene.candidate), move.verdict)
    fleet = _fleet(case, scene, move)
    spec = case.rollout.analysis
    before = case.seen.service.status.candidate
    known = before.analysis if before is not None and before.attempt == move.candidate.attempt else None
    shown_candidate = move.candidate.model_copy(update={"replicas": fleet.revisions[1].replicas})
    return Plan(
        apply=(*bodies(case.seen, fleet), *check_jobs(case.seen, spec, move.candidate)),
        delete=(
            *unneeded(case.seen, fleet),
            *(gone(case.seen, case.others, fleet.revisions) if scene.follows else ()),
            *checks_gone(case.seen, move.candidate.attempt, len(case.stages)),
        ),
        status=shown(case.seen, shown_candidate),
        conditions=_told(case, move),
        events=(
            *verdict_events(known, scene.candidate.analysis),
            *_moved(case, move),
            *nothing_to_do(case.asked_too_early, "there was no candidate yet"),
            *nothing_to_do(move.ignored, "there is no step from which"),
        ),
        requeue_after=_soonest(
            move.requeue_after,
            until_due(case.seen, case.rollout, move.candidate, _in_force(case, move.candidate)),
            _LOOK_AGAIN if case.others else None,
        ),
    )


def _scene(case: Case) -> Scene:
    seen = case.seen
    in_force = _in_force(case, case.candidate)
    return Scene(
        candidate=judged(seen, case.rollout, case.candidate, in_force),
        rollout=case.rollout,
        stages=case.stages,
        now=seen.now,
        full=full_size(seen),
        ready=case.ready,
        alone=case.alone,
        follows=traffic_follows(seen, in_force),
        reached=_reached(case),
        problem=case.problem,
        hopeless=hopeless(case.living),
        requests=case.requests,
        held_up=route_objection(seen),
    )


def _reached(case: Case) -> bool:
    return led_to(case.seen) == case.candidate.revision


def _in_force(case: Case, candidate: CandidateVersion) -> Stage | None:
    """What is passed on to the candidate: nothing while none of its Pods answers, and nothing where its Service leads
    to others. Should those be the stable Pods themselves, requests would go round in circles, and copies would be
    copied without an end.
    """
    return stage_in_force(case.stages, candidate) if case.ready and _reached(case) else None


def _fleet(case: Case, scene: Scene, move: Course) -> Fleet:
    """The stable revision first. It keeps its Pods while the candidate answers for them: an autoscaler would take those
    away that are left without work, and with them the measure of what all of the requests take. The candidate's
    Service leads to it as soon as there is somebody to answer and no former candidate that requests may still be passed
    on to.
    """
    seen, wanted, candidate = case.seen, case.seen.service.spec.replicas, move.candidate
    template = seen.stable_template
    assert template is not None, "steps are taken beside what serves"
    stage = _in_force(case, candidate)
    least = pods_wanted(replace(scene, candidate=candidate))
    if case.member is not None and not scene.follows:
        # A rollout that begins anew with a smaller share: the requests of the greater one still come.
        least = max(least, case.member.replicas)
    found = case.member.body if case.member is not None else None
    most = max(wanted.max, least) if wanted.max is not None else None
    judged = stage is not None
    fewest = scene.full if candidate.weight else wanted.min
    stable = Revision(template, scene.full, stage, wanted.max, fewest, judged)
    own = Revision(case.template, desired_replicas(least, most, found), None, most, least, judged)
    leads = candidate.revision if scene.ready and scene.alone else led_to(seen)
    return Fleet([stable, own], seen.stable, leads)


def _told(case: Case, move: Course) -> tuple[DesiredCondition, ...]:
    candidate = move.candidate
    where = f"ModelVersion {candidate.version} gets {candidate.weight} percent of the requests"
    if candidate.step > len(case.stages):
        message = f"{where}, and all of them next; it waits for {move.waits_for}"
    else:
        message = f"{where}, step {candidate.step} of {len(case.stages)}; it waits for {move.waits_for}"
    if move.verdict is not None:
        return stalled(move.verdict.reason, f"{move.verdict.message}; {message}")
    if case.problem is not None and case.problem.stuck:
        return stalled(case.problem.reason, going_on(case.seen, case.problem.message))
    return in_progress("RollingOut", message)


def _moved(case: Case, move: Course) -> tuple[Event, ...]:
    """Another step, or another share."""
    before, now = case.candidate, move.candidate
    if (before.weight, before.step) == (now.weight, now.step):
        return ()
    where = f"step {now.step} of {len(case.stages)}, {now.weight} percent"
    return (Event("Step", f"ModelVersion {now.version}: {where}"),)


def _soonest(*lengths: timedelta | None) -> timedelta | None:
    given: Iterable[timedelta] = [max(length, timedelta(0)) for length in lengths if length is not None]
    return min(given, default=None)
