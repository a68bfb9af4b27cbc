"""The first revision of all: nothing serves yet, so that there is nothing to compare it with or to go back to. Pure."""

from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.controllers.inferenceservice.desired_state import Fleet, Revision, bodies, checks_gone, gone, unneeded
from modelops.controllers.inferenceservice.pod.scaling import replicas_of
from modelops.controllers.inferenceservice.rollout.annotations import nothing_to_do, requests_of
from modelops.controllers.inferenceservice.rollout.context import Case
from modelops.controllers.inferenceservice.rollout.status import shown
from modelops.machinery.conditions import DesiredCondition, in_progress, parse_timestamp, stalled
from modelops.machinery.plan import Plan


def first(case: Case) -> Plan:
    """It gets all Pods at once, and the Service leads to it. Should it answer after all, it serves."""
    seen, wanted = case.seen, case.seen.service.spec.replicas
    replicas = replicas_of(wanted.min, wanted.max, case.member.body if case.member is not None else None)
    revision = Revision(case.template, replicas, None, wanted.max, wanted.min)
    fleet = Fleet([revision], case.candidate.revision, case.candidate.revision)
    candidate = case.candidate.model_copy(update={"steps": 0, "step": 0, "weight": 0, "replicas": replicas})
    return Plan(
        apply=bodies(seen, fleet),
        delete=(*unneeded(seen, fleet), *gone(seen, case.others, fleet.revisions), *checks_gone(seen, None, 0)),
        status=shown(seen, candidate),
        conditions=_told(case, replicas),
        events=nothing_to_do(requests_of(seen.service).asked, "nothing serves yet, and so there is no candidate"),
        requeue_after=_left(case) + timedelta(seconds=1) if _left(case) > timedelta(0) else None,
    )


def _told(case: Case, replicas: int) -> tuple[DesiredCondition, ...]:
    pods = f"{case.ready} of {replicas} Pods of ModelVersion {case.candidate.version} are ready"
    problem = case.problem
    if problem is not None and problem.stuck:
        return stalled(problem.reason, problem.message)
    if _left(case) <= timedelta(0):
        why = problem.message if problem is not None else "the model does not say that it is ready"
        return stalled("RolloutFailed", f"{pods} after {case.rollout.deadline}: {why}")
    if problem is not None:
        return in_progress(problem.reason, f"{pods}; {problem.message}")
    return in_progress("RollingOut", pods)


def _left(case: Case) -> timedelta:
    return parse_timestamp(case.candidate.since) + parse_duration(case.rollout.deadline) - case.seen.now
