"""Decide what a sweep needs: trials until there are enough, then the model of the best one. Pure.

The plan does not depend on the table in the status, which is rewritten from the runs of the trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from modelops.api.annotations import STOP
from modelops.api.sweep import Sweep, SweepStatus, Trial
from modelops.api.trainingrun_status import Outcome, TrainingRunStatus
from modelops.controllers.trainingrun.sweep import children
from modelops.controllers.trainingrun.sweep.observe import SweepObservation
from modelops.controllers.trainingrun.sweep.stopping import why_stopped
from modelops.controllers.trainingrun.sweep.trials import (
    TrialRun,
    best_trial,
    target_reached,
    trial_count,
    trial_table,
)
from modelops.machinery.conditions import DesiredCondition, format_timestamp, in_progress, stalled
from modelops.machinery.resources import Body

_MAX_MESSAGE_CHARACTERS = 8192


@dataclass(frozen=True)
class SweepPlan:
    """Plan of a sweep, which becomes part of its run's."""

    status: TrainingRunStatus
    """Status with the table of trials. Once the sweep has ended it has an outcome too and, after a success, the best
    trial's model and metrics; the rest of the plan is empty then."""
    trials: tuple[Body, ...] = ()
    """Runs of trials to apply."""
    conditions: tuple[DesiredCondition, ...] = ()


def plan(seen: SweepObservation, status: TrainingRunStatus) -> SweepPlan:
    """Return what a sweep without an outcome needs now. `status` is what is known of the run for these inputs."""
    trials = seen.trials
    created = {
        number: children.trial_body(seen.run, seen.resolved, number, chosen)
        for number, chosen in seen.suggested.items()
    }
    table = _table(seen, trials, created)
    status = status.model_copy(update={"sweep": table, "started_at": status.started_at or format_timestamp(seen.now)})
    ended = _ended(seen, trials, status)
    if ended is not None:
        return SweepPlan(ended)
    # New trials last: a quota without room for them must not keep a request to stop from the others.
    bodies = (*_running(seen, trials), *created.values())
    return SweepPlan(status, bodies, _conditions(seen.sweep, trials, table))


def _running(seen: SweepObservation, trials: Sequence[TrialRun]) -> list[Body]:
    """Return the active trials as they should be now, with a request to stop where early stopping applies."""
    rule = seen.sweep.early_stopping
    traces = [trial.child.trace for trial in trials if trial.result.state == "Succeeded"]
    bodies = []
    for trial in trials:
        if not trial.running or trial.outdated or trial.child.terminating:
            continue
        stop = None
        if rule is not None and STOP not in trial.child.run.metadata.annotations:
            stop = why_stopped(trial.child.trace, traces, rule.median, seen.sweep.objective)
        bodies.append(
            children.kept_trial_body(seen.run, seen.resolved, trial.number, trial.parameters, trial.child, stop)
        )
    return bodies


def _ended(seen: SweepObservation, trials: Sequence[TrialRun], status: TrainingRunStatus) -> TrainingRunStatus | None:
    """Return the status with an outcome once the target is reached, every trial has ended or too many have failed."""
    sweep, count = seen.sweep, trial_count(seen.sweep)
    failed = [trial for trial in trials if trial.result.state == "Failed"]
    if len(failed) > sweep.max_failed_trials:
        figures = f"{len(failed)}/{count} trials failed, maxFailedTrials is {sweep.max_failed_trials}"
        return _with_outcome(seen, status, "Failed", "SweepFailed", figures + _last_failure(failed))
    rows = [trial.row for trial in trials]
    reached = target_reached(sweep.objective, rows)
    if not reached and (len(trials) < count or any(trial.running for trial in trials)):
        return None
    best = best_trial(sweep.objective, rows)
    if best is None:
        figures = f"0/{count} trials succeeded: {len(failed)} failed, {count - len(failed)} stopped"
        return _with_outcome(seen, status, "Failed", "SweepFailed", figures + _last_failure(failed))
    run = next(trial.child.run for trial in trials if trial.number == best.number)
    target = f", target {sweep.objective.target:.4g} reached" if reached else ""
    message = f"best of {len(rows)} trials: trial {best.number}, {sweep.objective.metric} {best.objective:.4g}{target}"
    status = status.model_copy(update={"artifact": run.status.artifact, "metrics": run.status.metrics})
    return _with_outcome(seen, status, "Succeeded", "Trained", message)


def _with_outcome(
    seen: SweepObservation, status: TrainingRunStatus, state: Literal["Succeeded", "Failed"], reason: str, message: str
) -> TrainingRunStatus:
    at = format_timestamp(seen.now)
    outcome = Outcome(state=state, reason=reason, message=message[:_MAX_MESSAGE_CHARACTERS], finished_at=at)
    return status.model_copy(update={"outcome": outcome})


def _last_failure(failed: Sequence[TrialRun]) -> str:
    if not failed:
        return ""
    last = max(failed, key=lambda trial: (trial.child.finished_at, trial.number))
    return (
        f"; the last, trial {last.number} (TrainingRun {last.child.name}): {last.result.reason}: {last.result.message}"
    )


def _table(seen: SweepObservation, trials: Sequence[TrialRun], created: Mapping[int, Body]) -> SweepStatus:
    rows = [trial.row for trial in trials]
    rows += [
        Trial(number=number, run=body["metadata"]["name"], parameters=seen.suggested[number], state="Running")
        for number, body in created.items()
    ]
    return trial_table(seen.sweep.objective, rows)


def _conditions(sweep: Sweep, trials: Sequence[TrialRun], table: SweepStatus) -> tuple[DesiredCondition, ...]:
    """Show how far the sweep is, or the reason of a stalled trial, which holds the sweep up."""
    held_up = next((trial for trial in trials if trial.running and trial.result.reason), None)
    if held_up is None:
        return in_progress("Sweeping", _figures(sweep, table))
    name = f"trial {held_up.number} (TrainingRun {held_up.child.name})"
    return stalled(held_up.result.reason, f"{name}: {held_up.result.message}")


def _figures(sweep: Sweep, table: SweepStatus) -> str:
    ended = sum(row.state != "Running" for row in table.trials)
    failed = sum(row.state == "Failed" for row in table.trials)
    text = f"{ended}/{trial_count(sweep)} trials ended" + (f", {failed} failed" if failed else "")
    best = best_trial(sweep.objective, table.trials)
    if best is not None:
        text += f"; best: trial {best.number}, {sweep.objective.metric} {best.objective:.4g}"
    return text
