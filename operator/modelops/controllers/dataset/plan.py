"""What a Dataset needs: its newest good data pinned, and every other state of it told apart."""

from dataclasses import replace

from modelops.api.dataset import DatasetStatus
from modelops.controllers.dataset import candidates, probe_job, ready_condition, snapshot_job
from modelops.controllers.dataset.context import LOOK_TAKES_AT_MOST, Case, case_of
from modelops.controllers.dataset.data_conditions import aspects, staleness, turns_stale
from modelops.controllers.dataset.garbage_collection import tidied
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.probe_result import Problem
from modelops.controllers.dataset.schedule import undecided
from modelops.machinery.conditions import READY, condition, in_progress, stalled, waiting
from modelops.machinery.plan import Plan, first_plan

_BLIPS = 2
"""So many transient problems in a row are nobody's business yet."""


def plan(seen: Observation) -> Plan:
    """Decide what a Dataset needs now. Pure."""
    case = case_of(seen)
    decision = first_plan(
        case,
        (
            _suspended,
            snapshot_job.being_read,
            snapshot_job.has_been_read,
            probe_job.being_surveyed,
            probe_job.has_been_surveyed,
            probe_job.survey_is_due,
            probe_job.waits_for_survey,
            _not_seen,
            _source_problem,
            candidates.empty,
            candidates.up_to_date,
            candidates.rejected,
            candidates.check_failed,
            candidates.settling,
            candidates.settled,
        ),
    )
    return tidied(case, _with_aspects(case, decision))


def _suspended(case: Case) -> Plan | None:
    """Nobody looks. What was under way is given up, and what is known stays."""
    if not case.seen.dataset.spec.suspend:
        return None
    given_up = case.candidate is not None and undecided(case.candidate.state)
    status = case.with_candidate(None) if given_up else case.status
    message = "spec.suspend is true: the source is not looked at"
    return Plan(status=status, conditions=(condition(READY, case.snapshot is not None, "Suspended", message),))


def _not_seen(case: Case) -> Plan | None:
    """The first look at the source is under way: what is known goes on to hold, unless the spec has changed."""
    if case.seen.sighting is not None:
        return None
    if case.status.observed_generation == case.seen.dataset.metadata.generation and case.status.conditions:
        shown = ready_condition.as_before(case)
    else:
        shown = ready_condition.working(case, "Probing", "the source is looked at")
    return Plan(status=case.status, conditions=shown, requeue_after=LOOK_TAKES_AT_MOST)


def _source_problem(case: Case) -> Plan | None:
    """The source, or what is needed to look at it, is not there. The last good snapshot stays."""
    sighting = case.seen.sighting
    assert sighting is not None
    found = sighting.found
    if not isinstance(found, Problem):
        return None
    match found.kind:
        case "Waiting":
            shown = waiting(found.reason, found.message)
        case "Stalled":
            shown = stalled(found.reason, found.message)
        case "Transient" if sighting.failures <= _BLIPS and case.status.conditions:
            shown = ready_condition.as_before(case)
        case "Transient":
            shown = in_progress(found.reason, f"{found.message} ({sighting.failures} times in a row)")
    return Plan(status=case.status, conditions=shown, requeue_after=case.until_next_look(case.status))


def _with_aspects(case: Case, decision: Plan) -> Plan:
    """Beside Ready, what there is to say of the newest data; and a look at the moment in which it turns stale."""
    assert isinstance(decision.status, DatasetStatus)
    more = aspects(case, decision.status)
    turns, requeue_after = turns_stale(case, decision.status), decision.requeue_after
    if turns is not None and turns > case.seen.now:
        left = turns - case.seen.now
        requeue_after = left if requeue_after is None else min(left, requeue_after)
    return replace(
        decision,
        conditions=(*decision.conditions, *more),
        events=(*decision.events, *staleness(case, more)),
        requeue_after=requeue_after,
    )
