"""The trials of a sweep as their runs tell of them, and which are to begin. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelops.api.sweep import Algorithm, Objective, Sweep, SweepStatus, Trial
from modelops.api.trainingrun import TrainingRun
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep import grid
from modelops.controllers.trainingrun.sweep.child import Child, TrialResult, trial_result
from modelops.controllers.trainingrun.sweep.children import kept_trial_body
from modelops.controllers.trainingrun.sweep.identity import retry_of, trial_name
from modelops.controllers.trainingrun.sweep.metadata import SWEEP_RETRY, TRIAL
from modelops.controllers.trainingrun.sweep.stopping import is_better
from modelops.controllers.trainingrun.sweep.suggestions import EarlierTrial
from modelops.machinery.matching import already_applied


@dataclass(frozen=True)
class TrialRun:
    """A trial that has a run."""

    number: int
    child: Child
    parameters: StringMap
    """Those that the sweep varies."""
    result: TrialResult
    outdated: bool = False
    """It failed and has another chance: its run goes, and is made again once it is gone."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.result.state == "Running"

    @property
    def as_earlier_trial(self) -> EarlierTrial:
        """As suggestions learn of it."""
        return EarlierTrial(self.parameters, self.result.state, self.result.objective, self.child.trace)

    @property
    def row(self) -> Trial:
        """As the status shows it."""
        return Trial(
            number=self.number,
            run=self.child.name,
            parameters=self.parameters,
            state=self.result.state,
            objective=self.result.objective,
        )


def trial_runs(run: TrainingRun, resolved: ResolvedInputs, children: Iterable[Child]) -> list[TrialRun]:
    """The trials of the sweep as it is now, by number. Runs that were made for another one are not among them."""
    sweep = run.spec.sweep
    if sweep is None:
        return []
    found = []
    for child in children:
        mark = child.run.metadata.annotations.get(TRIAL, "")
        number = int(mark) if mark.isdecimal() else -1
        if 0 <= number < trial_count(sweep) and child.name == trial_name(run, resolved, number):
            found.append(_attempted(run, sweep, resolved, number, child))
    return sorted(found, key=lambda one: one.number)


def trial_count(sweep: Sweep) -> int:
    """How many trials there will be."""
    if sweep.algorithm is Algorithm.GRID:
        return min(sweep.max_trials, grid.size(sweep))
    return sweep.max_trials


def trials_due(sweep: Sweep, trials: Sequence[TrialRun]) -> list[int]:
    """The numbers of the trials to begin now.

    For tpe, none begins before all those up to `parallelism` before it have ended: it is suggested from their results.
    """
    if sum(one.result.state == "Failed" for one in trials) > sweep.max_failed_trials:
        return []
    if target_reached(sweep.objective, (one.row for one in trials)):
        return []
    there = {one.number for one in trials}
    missing = [number for number in range(trial_count(sweep)) if number not in there]
    if sweep.algorithm is Algorithm.TPE:
        ended = {one.number for one in trials if not one.running}
        first_open = next(number for number in range(trial_count(sweep) + 1) if number not in ended)
        missing = [number for number in missing if number < first_open + sweep.parallelism]
    free = sweep.parallelism - sum(one.running and not one.outdated for one in trials)
    return missing[: max(free, 0)]


def best_trial(objective: Objective, rows: Iterable[Trial]) -> Trial | None:
    """The best trial of a table; of equal ones the first."""
    sign = 1 if objective.goal == "Maximize" else -1
    target_reached = [(row.objective, row) for row in rows if row.state == "Succeeded" and row.objective is not None]
    _, row = max(target_reached, key=lambda one: (sign * one[0], -one[1].number), default=(None, None))
    return row


def target_reached(objective: Objective, rows: Iterable[Trial]) -> bool:
    """Whether the best trial is as good as was asked for."""
    winner = best_trial(objective, rows)
    if objective.target is None or winner is None or winner.objective is None:
        return False
    return not is_better(objective.target, winner.objective, objective)


def trial_table(objective: Objective, rows: Iterable[Trial]) -> SweepStatus:
    """The table as the status shows it."""
    ordered = sorted(rows, key=lambda row: row.number)
    winner = best_trial(objective, ordered)
    return SweepStatus(trials=ordered, best=winner.number if winner is not None else None)


def _attempted(run: TrainingRun, sweep: Sweep, resolved: ResolvedInputs, number: int, child: Child) -> TrialRun:
    given = child.run.spec.parameters
    parameters = {one.name: given[one.name] for one in sweep.parameters if one.name in given}
    became = trial_result(child, sweep.objective)
    if became.state != "Failed":
        return TrialRun(number, child, parameters, became)
    if child.run.metadata.annotations.get(SWEEP_RETRY, "") != retry_of(run):
        return TrialRun(number, child, parameters, TrialResult("Running"), outdated=True)
    if not child.terminating and not already_applied(
        kept_trial_body(run, resolved, number, parameters, child), child.body
    ):
        # The sweep's spec has changed, such as to more memory. Whether that is worth another try is for the trial's own
        # plan to say; until it has, it has not failed.
        became = TrialResult("Running")
    return TrialRun(number, child, parameters, became)
