"""What a sweep needs: trials until they are enough, then the best one's model. Pure.

Nothing that was seen before matters: the trials are those whose runs there are, and the table in the status is written
from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from modelops.api.annotations import STOP
from modelops.api.sweep import Sweep, SweepStatus, Trial
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Outcome, TrainingRunStatus
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.inputs.resolution import Taken
from modelops.controllers.trainingrun.sweep import children
from modelops.controllers.trainingrun.sweep.child import Child
from modelops.controllers.trainingrun.sweep.stopping import why_stopped
from modelops.controllers.trainingrun.sweep.trials import Attempted, attempted, best, reached, table_of, total
from modelops.machinery.conditions import DesiredCondition, format_timestamp, in_progress, stalled
from modelops.machinery.plan import Plan
from modelops.machinery.resources import Body

_LONGEST_MESSAGE = 8192


@dataclass(frozen=True)
class Sweeping:
    """A run whose inputs are settled, and all runs that it has made for trials, of this sweep and of earlier ones."""

    run: TrainingRun
    taken: Taken
    now: datetime
    children: tuple[Child, ...] = ()
    suggested: Mapping[int, StringMap] = field(default_factory=dict)
    """The number of a trial that is to begin → its parameters."""

    @property
    def sweep(self) -> Sweep:
        """What is looked for."""
        assert self.run.spec.sweep is not None, "only a sweep is planned as one"
        return self.run.spec.sweep

    @cached_property
    def trials(self) -> list[Attempted]:
        """The trials that have a run."""
        return attempted(self.run, self.taken, self.children)


def plan(seen: Sweeping, status: TrainingRunStatus) -> Plan:
    """Decide what a sweep without an outcome needs now.

    `status` is what is known of the run for these inputs. Once the sweep has ended, the plan's status has an outcome
    and, with a success, the best trial's model and metrics: what follows from that is as for every run.
    """
    trials = seen.trials
    began = {number: children.trial(seen.run, seen.taken, number, chosen) for number, chosen in seen.suggested.items()}
    table = _table(seen, trials, began)
    status = status.model_copy(update={"sweep": table, "started_at": status.started_at or format_timestamp(seen.now)})
    ended = _ended(seen, trials, status)
    if ended is not None:
        return Plan(status=ended)
    return Plan(
        # Those that there are first: a quota that has no room for new ones must not keep a word to stop from them.
        apply=(*_running(seen, trials), *began.values()),
        status=status,
        conditions=_conditions(seen.sweep, trials, table),
    )


def _running(seen: Sweeping, trials: Sequence[Attempted]) -> list[Body]:
    """The trials that have not ended, as they shall be: with the word to stop where they will not be the best."""
    rule = seen.sweep.early_stopping
    traces = [one.child.trace for one in trials if one.fate.state == "Succeeded"]
    bodies = []
    for one in trials:
        if not one.running or one.outdated or one.child.leaving:
            continue
        why = None
        if rule is not None and STOP not in one.child.run.metadata.annotations:
            why = why_stopped(one.child.trace, traces, rule.median, seen.sweep.objective)
        bodies.append(children.kept(seen.run, seen.taken, one.number, one.parameters, one.child, why))
    return bodies


def _ended(seen: Sweeping, trials: Sequence[Attempted], status: TrainingRunStatus) -> TrainingRunStatus | None:
    """The status with the outcome, once every trial has ended or too many have failed."""
    sweep, everyone = seen.sweep, total(seen.sweep)
    failed = [one for one in trials if one.fate.state == "Failed"]
    if len(failed) > sweep.max_failed_trials:
        numbers = f"{len(failed)} of {everyone} trials failed, more than maxFailedTrials {sweep.max_failed_trials}"
        return _with_outcome(seen, status, "Failed", "SweepFailed", numbers + _last_words(failed))
    rows = [one.row for one in trials]
    enough = reached(sweep.objective, rows)
    if not enough and (len(trials) < everyone or any(one.running for one in trials)):
        return None
    winner = best(sweep.objective, rows)
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
    seen: Sweeping, status: TrainingRunStatus, state: Literal["Succeeded", "Failed"], reason: str, message: str
) -> TrainingRunStatus:
    at = format_timestamp(seen.now)
    outcome = Outcome(state=state, reason=reason, message=message[:_LONGEST_MESSAGE], finished_at=at)
    return status.model_copy(update={"outcome": outcome})


def _last_words(failed: Sequence[Attempted]) -> str:
    if not failed:
        return ""
    last = max(failed, key=lambda one: (one.child.finished_at, one.number))
    said = f"{last.fate.reason}: {last.fate.message}"
    return f"; the last, trial {last.number} (TrainingRun {last.child.name}): {said}"


def _table(seen: Sweeping, trials: Sequence[Attempted], began: Mapping[int, Body]) -> SweepStatus:
    rows = [one.row for one in trials]
    rows += [
        Trial(number=number, run=body["metadata"]["name"], parameters=seen.suggested[number], state="Running")
        for number, body in began.items()
    ]
    return table_of(seen.sweep.objective, rows)


def _conditions(sweep: Sweep, trials: Sequence[Attempted], table: SweepStatus) -> tuple[DesiredCondition, ...]:
    """How far it is. A trial that waits for a person holds the sweep up, so its words are the sweep's."""
    held_up = next((one for one in trials if one.running and one.fate.reason), None)
    if held_up is None:
        return in_progress("Sweeping", _how_far(sweep, table))
    whose = f"trial {held_up.number} (TrainingRun {held_up.child.name})"
    return stalled(held_up.fate.reason, f"{whose}: {held_up.fate.message}")


def _how_far(sweep: Sweep, table: SweepStatus) -> str:
    done = sum(row.state != "Running" for row in table.trials)
    failed = sum(row.state == "Failed" for row in table.trials)
    text = f"{done} of {total(sweep)} trials done" + (f", {failed} failed" if failed else "")
    winner = best(sweep.objective, table.trials)
    if winner is not None:
        text += f", best {sweep.objective.metric} {winner.objective:.4g} (trial {winner.number})"
    return text
