"""A new revision replaces the stable one Pod by Pod, behind one Service. Pure."""

from modelops.controllers.inferenceservice.desired_state import Fleet, Revision, bodies, checks_gone, unneeded
from modelops.controllers.inferenceservice.revisions.observed import Member
from modelops.controllers.inferenceservice.rollout.annotations import RESUMED, nothing_to_do
from modelops.controllers.inferenceservice.rollout.completion import ended, promoted
from modelops.controllers.inferenceservice.rollout.context import Case
from modelops.controllers.inferenceservice.rollout.pod_problems import hopeless
from modelops.controllers.inferenceservice.rollout.rolling_replicas import other_replicas, target_replicas
from modelops.controllers.inferenceservice.rollout.state_machine import Course, End, Scene, course
from modelops.controllers.inferenceservice.rollout.status import full_size, going_on, shown
from modelops.controllers.inferenceservice.traffic.capacity import share_of
from modelops.machinery.conditions import DesiredCondition, format_timestamp, in_progress, stalled
from modelops.machinery.plan import Plan


def pod_by_pod(case: Case) -> Plan:
    """As many of the old Pods go as there are new ones that answer, until there are no old ones."""
    seen, full = case.seen, full_size(case.seen)
    candidate = case.candidate
    old: list[Member] = [one for one in seen.members if one.revision != candidate.revision]
    # Before the Service leads to the new Pods as well, they relieve none of the old ones.
    kept = other_replicas(case.member if seen.spanning else None, old, full)
    if sum(kept.values()) < sum(one.replicas for one in old):
        # What does not come back: a Pod that is ready now and then would be progress without an end.
        candidate = candidate.model_copy(update={"progress_since": format_timestamp(seen.now)})
    scene = Scene(
        candidate=candidate,
        rollout=case.rollout,
        stages=(),
        now=seen.now,
        full=full,
        ready=case.ready,
        alone=True,
        follows=True,
        problem=case.problem,
        hopeless=hopeless(case.living),
        requests=case.requests,
    )
    move = course(scene)
    if move.end is End.PROMOTED:
        return promoted(case)
    if move.verdict is not None and move.end is not None:
        return ended(case, move.verdict)
    replicas = target_replicas(case.member, full)
    if (move.verdict is not None or case.requests.paused) and case.member is not None:
        # It has failed, or was told to stay where it is until a person says more.
        kept, replicas = {one.name: one.replicas for one in old}, case.member.replicas
    wanted = Revision(case.template, replicas)
    fleet = Fleet([wanted, *(Revision(_template(case, one), kept[one.name]) for one in old)], None, candidate.revision)
    shown_candidate = move.candidate.model_copy(
        update={
            "replicas": wanted.replicas,
            "weight": share_of(case.ready, sum(one.ready for one in old)),
        }
    )
    return Plan(
        apply=bodies(seen, fleet),
        delete=(*unneeded(seen, fleet), *checks_gone(seen, None, 0)),
        status=shown(seen, shown_candidate),
        conditions=_told(case, full, move),
        events=(
            *nothing_to_do(case.asked_too_early, "there was no candidate yet"),
            *nothing_to_do(move.ignored, "Pod by Pod there is no step from which"),
        ),
        requeue_after=move.requeue_after,
    )


def _template(case: Case, member: Member) -> dict:
    """The stable one as it was applied; of any other what is found."""
    stable = case.seen.stable_template
    return stable if stable is not None and member.revision == case.seen.stable else member.template


def _told(case: Case, full: int, move: Course) -> tuple[DesiredCondition, ...]:
    pods = f"{case.ready} of {full} Pods of ModelVersion {case.candidate.version} are ready"
    if move.verdict is not None:
        return stalled(move.verdict.reason, f"{move.verdict.message}; {pods}; it waits for {move.waits_for}")
    problem = case.problem
    if problem is None:
        held = f"; it waits for {RESUMED}" if case.requests.paused else ""
        return in_progress("RollingOut", f"{pods}{held}")
    if problem.stuck:
        return stalled(problem.reason, going_on(case.seen, problem.message))
    return in_progress(problem.reason, f"{pods}; {problem.message}")
