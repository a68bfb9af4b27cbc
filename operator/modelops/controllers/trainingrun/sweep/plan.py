"""What a sweep needs: trials until they are enough, then the best one's model. Pure.

Nothing that was seen before matters: the trials are those whose runs there are, and the table in the status is written
from them.
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
from modelops.machinery.conditions import DesiredCondition, in_progress, stalled, timestamp
from modelops.machinery.resources import Body

_LONGEST_MESSAGE = 8192


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep needs now."""

    status: TrainingRunStatus
    """With the table of trials. Once the sweep has ended also with an outcome and, if it succeeded, with the best
    trial's model and metrics. The rest of the plan is empty then."""
    trials: tuple[Body, ...] = ()
    """Runs to apply."""
    conditions: tuple[DesiredCondition, ...] = ()


def plan(seen: SweepObservation, status: TrainingRunStatus) -> SweepPlan:
    """Return what a sweep without an outcome needs now. `status` is what is known of the run for these inputs."""
    trials = seen.trials
    began = {
        number: children.trial_body(seen.run, seen.resolved, number, chosen)
        for number, chosen in seen.suggested.items()
    }
    table = _table(seen, trials, began)
    status = status.model_copy(update={"sweep": table, "started_at": status.started_at or timestamp(seen.now)})
    ended = _ended(seen, trials, status)
    if ended is not None:
        return SweepPlan(ended)
    # New trials last: a quota without room for them must not keep a request to stop from the others.
    bodies = (*_running(seen, trials), *began.values())
    return SweepPlan(status, bodies, _conditions(seen.sweep, trials, table))


def _running(seen: SweepObservation, trials: Sequence[TrialRun]) -> list[Body]:
    """The trials that have not ended, as they shall be: with the word to stop where they will not be the best."""
    rule = seen.sweep.early_stopping
    traces = [one.child.trace for one in trials if one.result.state == "Succeeded"]
    bodies = []
    for one in trials:
        if not one.running or one.outdated or one.child.terminating:
            continue
        why = None
        if rule is not None and STOP not in one.child.run.metadata.annotations:
            why = why_stopped(one.child.trace, traces, rule.median, seen.sweep.objective)
        bodies.append(children.kept_trial_body(seen.run, seen.resolved, one.number, one.parameters, one.child, why))
    return bodies


def _ended(seen: SweepObservation, trials: Sequence[TrialRun], status: TrainingRunStatus) -> TrainingRunStatus | None:
    """The status with the outcome, once every trial has ended or too many have failed."""
    sweep, everyone = seen.sweep, trial_count(seen.sweep)
    failed = [one for one in trials if one.result.state == "Failed"]
    if len(failed) > sweep.max_failed_trials:
        numbers = f"{len(failed)} of {everyone} trials failed, more than maxFailedTrials {sweep.max_failed_trials}"
        return _with_outcome(seen, status, "Failed", "SweepFailed", numbers + _last_words(failed))
    rows = [one.row for one in trials]
    enough = target_reached(sweep.objective, rows)
    if not enough and (len(trials) < everyone or any(one.running for one in trials)):
        return None
    winner = best_trial(sweep.objective, rows)
    if winner is None:
        stopped = everyone - len(failed)
        numbers = f"none of {everyone} trials succeeded: {len(failed)} failed, {stopped} were stopped"
        return _with_outcome(seen, status, "Failed", "SweepFailed", numbers + _last_words(failed))
    made = next(one.child.run.status for one in trials if one.number == winner.number)
    value = f"{sweep.objective.metric} {winner.objective:.4g}"
    message = f"trial {winner.number} is the best of {len(rows)}: {value}"
    if enough:
        message += f", and the target is {sweep.objective.target:.4g}"
    status = status.model_copy(update={"artifact": made.artifact, "metrics": made.metrics})
    return _with_outcome(seen, status, "Succeeded", "Trained", message)


def _with_outcome(
    seen: SweepObservation, status: TrainingRunStatus, state: Literal["Succeeded", "Failed"], reason: str, message: str
) -> TrainingRunStatus:
    at = timestamp(seen.now)
    outcome = Outcome(state=state, reason=reason, message=message[:_LONGEST_MESSAGE], finished_at=at)
    return status.model_copy(update={"outcome": outcome})


def _last_words(failed: Sequence[TrialRun]) -> str:
    if not failed:
        return ""
    last = max(failed, key=lambda one: (one.child.finished_at, one.number))
    said = f"{last.result.reason}: {last.result.message}"
    return f"; the last, trial {last.number} (TrainingRun {last.child.name}): {said}"


def _table(seen: SweepObservation, trials: Sequence[TrialRun], began: Mapping[int, Body]) -> SweepStatus:
    rows = [one.row for one in trials]
    rows += [
        Trial(number=number, run=body["metadata"]["name"], parameters=seen.suggested[number], state="Running")
        for number, body in began.items()
    ]
    return trial_table(seen.sweep.objective, rows)


def _conditions(sweep: Sweep, trials: Sequence[TrialRun], table: SweepStatus) -> tuple[DesiredCondition, ...]:
    """How far it is. A trial that waits for a person holds the sweep up, so its words are the sweep's."""
    held_up = next((one for one in trials if one.running and one.result.reason), None)
    if held_up is None:
        return in_progress("Sweeping", _how_far(sweep, table))
    whose = f"trial {held_up.number} (TrainingRun {held_up.child.name})"
    return stalled(held_up.result.reason, f"{whose}: {held_up.result.message}")


def _how_far(sweep: Sweep, table: SweepStatus) -> str:
    done = sum(row.state != "Running" for row in table.trials)
    failed = sum(row.state == "Failed" for row in table.trials)
    text = f"{done} of {trial_count(sweep)} trials done" + (f", {failed} failed" if failed else "")
    winner = best_trial(sweep.objective, table.trials)
    if winner is not None:
        text += f", best {sweep.objective.metric} {winner.objective:.4g} (trial {winner.number})"
    return text
