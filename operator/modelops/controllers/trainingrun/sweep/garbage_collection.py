"""What becomes of trials that are of no use any more. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.sweep import Trial
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.trainingrun.sweep.child import Child
from modelops.controllers.trainingrun.sweep.plan import Sweeping
from modelops.controllers.trainingrun.sweep.trials import Attempted, table_of
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Plan

_ONCE_WRITTEN = timedelta(seconds=1)


def tidied(plan: Plan, seen: Sweeping) -> Plan:
    """A run's plan, and with it the end of trials that are of no use any more, whether it is a sweep or was one.

    Runs of another sweep end at once where they have not, and go with the outcome of this one. Once that is there, no
    trial runs on, and the others are kept as long as its Pods would be. The table stays.
    """
    status = plan.status
    if not isinstance(status, TrainingRunStatus) or not (seen.children or status.sweep):
        return plan
    current = {one.child.name: one for one in seen.trials}
    left = _kept_for(seen, status)
    goes = [one for one in seen.children if not one.leaving and _useless(one, current.get(one.name), status, left)]
    waits = left if seen.children and left else None
    return replace(
        plan,
        delete=(*plan.delete, *(child.delete for child in goes)),
        status=_none_runs(status, seen, current),
        requeue_after=min((one for one in (plan.requeue_after, waits) if one is not None), default=None),
    )


def _useless(child: Child, trial: Attempted | None, status: TrainingRunStatus, left: timedelta | None) -> bool:
    if trial is None:
        return status.outcome is not None or not child.ended
    if status.outcome is None:
        return trial.outdated
    return not child.ended or left == timedelta()


def _kept_for(seen: Sweeping, status: TrainingRunStatus) -> timedelta | None:
    """How long trials that have ended are still kept; None as long as there is no outcome. They are the evidence until
    the outcome is written.
    """
    if status.outcome is None:
        return None
    left = parse_timestamp(status.outcome.finished_at) + parse_duration(seen.run.spec.ttl_after_finished) - seen.now
    if seen.run.status.outcome != status.outcome:
        return max(left, _ONCE_WRITTEN)
    return max(left, timedelta())


def _none_runs(status: TrainingRunStatus, seen: Sweeping, current: Mapping[str, Attempted]) -> TrainingRunStatus:
    """The table of a sweep that has ended: what has not ended with it was stopped."""
    sweep = seen.run.spec.sweep
    if status.outcome is None or status.sweep is None or sweep is None:
        return status
    rows = [_last_of(row, current.get(row.run)) if row.state == "Running" else row for row in status.sweep.trials]
    return status.model_copy(update={"sweep": table_of(sweep.objective, rows)})


def _last_of(row: Trial, trial: Attempted | None) -> Trial:
    if trial is not None and not trial.running:
        return trial.row
    return row.model_copy(update={"state": "Stopped"})
