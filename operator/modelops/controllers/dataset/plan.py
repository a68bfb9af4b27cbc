"""Plan of a Dataset: keep its newest good data pinned as the current snapshot, and describe any other state. Pure."""

from dataclasses import replace

from modelops.api.dataset import DatasetStatus
from modelops.controllers.dataset import candidates, probe_job, ready_condition, snapshot_job
from modelops.controllers.dataset.context import PROBE_TIMEOUT, Context, context_of
from modelops.controllers.dataset.data_conditions import data_conditions, stale_at, stale_events
from modelops.controllers.dataset.garbage_collection import collect_garbage
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.probe_result import SourceProblem
from modelops.controllers.dataset.schedule import undecided
from modelops.controllers.requeue import earliest
from modelops.machinery.conditions import READY, condition, in_progress, stalled, waiting
from modelops.machinery.plan import Plan, first_plan

_UNREPORTED_FAILURES = 2
"""Number of transient problems in a row that the conditions do not show."""


def plan(seen: Observation) -> Plan:
    """Decide what a Dataset needs now. Pure."""
    context = context_of(seen)
    decision = first_plan(
        context,
        (
            _suspended,
            snapshot_job.running,
            snapshot_job.finished,
            probe_job.running,
            probe_job.finished,
            probe_job.due,
            probe_job.not_due,
            _not_probed,
            _source_problem,
            candidates.empty,
            candidates.up_to_date,
            candidates.rejected,
            candidates.check_failed,
            candidates.settling,
            candidates.settled,
        ),
    )
    return collect_garbage(context, _with_data_conditions(context, decision))


def _suspended(context: Context) -> Plan | None:
    """Drop a candidate that is settling or being checked, and keep the rest of the status."""
    if not context.seen.dataset.spec.suspend:
        return None
    drop = context.candidate is not None and undecided(context.candidate.state)
    status = context.with_candidate(None) if drop else context.status
    message = "spec.suspend is true: the source is not probed"
    return Plan(status=status, conditions=(condition(READY, context.snapshot is not None, "Suspended", message),))


def _not_probed(context: Context) -> Plan | None:
    """Wait for the operator's first probe. The conditions stay unless the spec has changed."""
    if context.seen.probe_result is not None:
        return None
    if context.status.observed_generation == context.seen.dataset.metadata.generation and context.status.conditions:
        conditions = ready_condition.unchanged(context)
    else:
        conditions = ready_condition.progressing(context, "Probing", "probing the source")
    return Plan(status=context.status, conditions=conditions, requeue_after=PROBE_TIMEOUT)


def _source_problem(context: Context) -> Plan | None:
    """Show why the source cannot be probed. The last good snapshot stays in the status."""
    result = context.seen.probe_result
    assert result is not None
    problem = result.outcome
    if not isinstance(problem, SourceProblem):
        return None
    match problem.kind:
        case "Waiting":
            conditions = waiting(problem.reason, problem.message)
        case "Stalled":
            conditions = stalled(problem.reason, problem.message)
        case "Transient" if result.failures <= _UNREPORTED_FAILURES and context.status.conditions:
            conditions = ready_condition.unchanged(context)
        case "Transient":
            conditions = in_progress(problem.reason, f"{problem.message} (failed {result.failures} times in a row)")
    return Plan(status=context.status, conditions=conditions, requeue_after=context.until_next_probe(context.status))


def _with_data_conditions(context: Context, decision: Plan) -> Plan:
    """Return the plan with Valid, Reproducible and Fresh, and a requeue for when the snapshot becomes stale."""
    assert isinstance(decision.status, DatasetStatus)
    conditions = data_conditions(context, decision.status)
    stale_from, until_stale = stale_at(context, decision.status), None
    if stale_from is not None and stale_from > context.seen.now:
        until_stale = stale_from - context.seen.now
    return replace(
        decision,
        conditions=(*decision.conditions, *conditions),
        events=(*decision.events, *stale_events(context, conditions)),
        requeue_after=earliest(decision.requeue_after, until_stale),
    )
