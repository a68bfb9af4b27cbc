"""Delete trials that are not needed any more. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from modelops.api.durations import parse_duration
from modelops.api.sweep import Trial
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.requeue import earliest
from modelops.controllers.trainingrun.sweep.child import Child
from modelops.controllers.trainingrun.sweep.observe import SweepObservation
from modelops.controllers.trainingrun.sweep.trials import TrialRun, trial_table
from modelops.machinery.conditions import parse_timestamp
from modelops.machinery.plan import Plan

_OUTCOME_WRITTEN_IN = timedelta(seconds=1)


def collect_garbage(plan: Plan, seen: SweepObservation) -> Plan:
    """Add the deletion of unneeded trials to a run's plan, whether the run has a sweep or had one.

    Active trials of another sweep are deleted at once, and those that have ended once this sweep has an outcome. With
    the outcome, active trials of this sweep are deleted too; the others are kept for `ttlAfterFinished`, like Pods. The
    table of trials stays in the status.
    """
    status = plan.status
    if not isinstance(status, TrainingRunStatus) or not (seen.children or status.sweep):
        return plan
    current = {trial.child.name: trial for trial in seen.trials}
    kept_for = _kept_for(seen, status)
    unneeded = [
        child
        for child in seen.children
        if not child.terminating and _unneeded(child, current.get(child.name), status, kept_for)
    ]
    return replace(
        plan,
        delete=(*plan.delete, *(child.delete for child in unneeded)),
        status=_with_final_table(status, seen, current),
        requeue_after=earliest(plan.requeue_after, kept_for if seen.children and kept_for else None),
    )


def _unneeded(child: Child, trial: TrialRun | None, status: TrainingRunStatus, kept_for: timedelta | None) -> bool:
    if trial is None:
        return status.outcome is not None or not child.ended
    if status.outcome is None:
        return trial.outdated
    return not child.ended or kept_for == timedelta()


def _kept_for(seen: SweepObservation, status: TrainingRunStatus) -> timedelta | None:
    """Return how long trials that have ended are still kept; None while the sweep has no outcome.

    They are kept until the outcome is written, whatever `ttlAfterFinished` is: without them a crash would lose it.
    """
    if status.outcome is None:
        return None
    left = parse_timestamp(status.outcome.finished_at) + parse_duration(seen.run.spec.ttl_after_finished) - seen.now
    if seen.run.status.outcome != status.outcome:
        return max(left, _OUTCOME_WRITTEN_IN)
    return max(left, timedelta())


def _with_final_table(
    status: TrainingRunStatus, seen: SweepObservation, current: Mapping[str, TrialRun]
) -> TrainingRunStatus:
    """Return the status of a sweep with an outcome: trials that still ran at its end are shown as stopped."""
    sweep = seen.run.spec.sweep
    if status.outcome is None or status.sweep is None or sweep is None:
        return status
    rows = [_final_row(row, current.get(row.run)) if row.state == "Running" else row for row in status.sweep.trials]
    return status.model_copy(update={"sweep": trial_table(sweep.objective, rows)})


def _final_row(row: Trial, trial: TrialRun | None) -> Trial:
    if trial is not None and not trial.running:
        return trial.row
    return row.model_copy(update={"state": "Stopped"})
