"""Read the trials of a sweep from their runs, and choose those that are due. Pure."""

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
    """Swept parameters alone."""
    result: TrialResult
    outdated: bool = False
    """Whether the run is from before a retry, or took the place of the recorded one: it is deleted, and created again
    once it no longer exists."""
    uid: str | None = None
    """UID of the run to record. None for one from before a retry, whose place the next one takes."""

    @property
    def running(self) -> bool:
        """Whether the trial has not ended."""
        return self.result.state == "Running"

    @property
    def as_earlier_trial(self) -> EarlierTrial:
        """The trial as suggestions learn from it."""
        return EarlierTrial(self.parameters, self.result.state, self.result.objective, self.child.trace)

    @property
    def row(self) -> Trial:
        """The trial as a row of the status' table."""
        return Trial(
            number=self.number,
            run=self.child.name,
            uid=self.uid,
            parameters=self.parameters,
            state=self.result.state,
            objective=self.result.objective,
        )


def trial_runs(run: TrainingRun, resolved: ResolvedInputs, children: Iterable[Child]) -> list[TrialRun]:
    """Return the trials of the sweep as it is now, by number. Runs of another sweep are left out."""
    sweep = run.spec.sweep
    if sweep is None:
        return []
    trials = []
    for child in children:
        text = child.run.metadata.annotations.get(TRIAL, "")
        number = int(text) if text.isdecimal() else -1
        if 0 <= number < trial_count(sweep) and child.name == trial_name(run, resolved, number):
            trials.append(_trial_run(run, sweep, resolved, number, child))
    return sorted(trials, key=lambda trial: trial.number)


def trial_count(sweep: Sweep) -> int:
    """Return the number of trials if the sweep is not ended early."""
    if sweep.algorithm is Algorithm.GRID:
        return min(sweep.max_trials, grid.size(sweep))
    return sweep.max_trials


def trials_due(sweep: Sweep, trials: Sequence[TrialRun]) -> list[int]:
    """Return the numbers of the trials to create now.

    For tpe, a trial is due once all trials up to `parallelism` before it have ended: their results suggest it.
    """
    if sum(trial.result.state == "Failed" for trial in trials) > sweep.max_failed_trials:
        return []
    if target_reached(sweep.objective, (trial.row for trial in trials)):
        return []
    existing = {trial.number for trial in trials}
    missing = [number for number in range(trial_count(sweep)) if number not in existing]
    if sweep.algorithm is Algorithm.TPE:
        ended = {trial.number for trial in trials if not trial.running}
        first_open = next(number for number in range(trial_count(sweep) + 1) if number not in ended)
        missing = [number for number in missing if number < first_open + sweep.parallelism]
    free = sweep.parallelism - sum(trial.running and not trial.outdated for trial in trials)
    return missing[: max(free, 0)]


def best_trial(objective: Objective, rows: Iterable[Trial]) -> Trial | None:
    """Return the best trial of a table, the first of equal ones; None if none has succeeded."""
    sign = 1 if objective.goal == "Maximize" else -1
    scored = [(row.objective, row) for row in rows if row.state == "Succeeded" and row.objective is not None]
    _, best = max(scored, key=lambda pair: (sign * pair[0], -pair[1].number), default=(None, None))
    return best


def target_reached(objective: Objective, rows: Iterable[Trial]) -> bool:
    """Return whether the best trial is at least as good as the target."""
    best = best_trial(objective, rows)
    if objective.target is None or best is None or best.objective is None:
        return False
    return not is_better(objective.target, best.objective, objective)


def trial_table(objective: Objective, rows: Iterable[Trial]) -> SweepStatus:
    """Return the table of trials for the status, by number."""
    ordered = sorted(rows, key=lambda row: row.number)
    best = best_trial(objective, ordered)
    return SweepStatus(trials=ordered, best=best.number if best is not None else None)


def _recorded_uid(run: TrainingRun, name: str) -> str | None:
    rows = run.status.sweep.trials if run.status.sweep is not None else []
    return next((row.uid for row in rows if row.run == name), None)


def _trial_run(run: TrainingRun, sweep: Sweep, resolved: ResolvedInputs, number: int, child: Child) -> TrialRun:
    of_run = child.run.spec.parameters
    parameters = {swept.name: of_run[swept.name] for swept in sweep.parameters if swept.name in of_run}
    uid = child.run.metadata.uid
    recorded = _recorded_uid(run, child.name)
    if recorded is not None and recorded != uid:
        return TrialRun(number, child, parameters, TrialResult("Running"), outdated=True, uid=recorded)
    result = trial_result(child, sweep.objective)
    if result.state != "Failed":
        return TrialRun(number, child, parameters, result, uid=uid)
    if child.run.metadata.annotations.get(SWEEP_RETRY, "") != retry_of(run):
        return TrialRun(number, child, parameters, TrialResult("Running"), outdated=True)
    if not child.terminating and not already_applied(
        kept_trial_body(run, resolved, number, parameters, child), child.body
    ):
        # The sweep's spec has changed, for instance to more memory. The trial's own plan decides whether the change is
        # worth another attempt; until then the trial has not failed.
        result = TrialResult("Running")
    return TrialRun(number, child, parameters, result, uid=uid)
