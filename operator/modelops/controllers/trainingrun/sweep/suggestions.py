"""Suggest the parameters of a trial, by Optuna, from the results of earlier trials. Pure.

No state is kept between two suggestions. Each has a study of its own, of the earlier trials and of a sampler that is
seeded by the sweep's seed and the trial's number. A suggestion depends on nothing else: a restart does not change it.
Optuna is imported with the first suggestion: an operator without sweeps does not load it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelops.api.sweep import Algorithm, ParameterType, Sweep, SweptParameter
from modelops.api.trainingrun_status import TracePoint
from modelops.api.types import StringMap
from modelops.controllers.trainingrun.sweep import grid
from modelops.controllers.trainingrun.sweep.space import bounds, step_of, text_of, value_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_RANDOM_FIRST = 5
"""Trials that tpe draws at random before it learns: Optuna's default, ten, would use up a default sweep."""
_NARROW = 1.000001
"""Ratio of max to min below which `log` is ignored: logarithms are linear there, and too close for a float."""


@dataclass(frozen=True)
class EarlierTrial:
    """An earlier trial, as far as it is known."""

    parameters: StringMap
    state: Literal["Running", "Succeeded", "Failed", "Stopped"]
    objective: float | None = None
    trace: tuple[TracePoint, ...] = ()


def suggest(sweep: Sweep, numbers: Sequence[int], earlier: Mapping[int, EarlierTrial]) -> dict[int, StringMap]:
    """Return the parameters of each of these trials, from the earlier trials by number.

    tpe learns only from trials that are at least `parallelism` before the one suggested. The others count as running,
    whether they have ended or not, so that a suggestion does not depend on time; draws avoid their parameters.
    """
    if sweep.algorithm is Algorithm.GRID:
        return {number: grid.point(sweep, number) for number in numbers}
    known = dict(earlier)
    suggested = {}
    for number in sorted(numbers):
        suggested[number] = _suggest_one(sweep, number, known)
        known[number] = EarlierTrial(suggested[number], "Running")
    return suggested


def _suggest_one(sweep: Sweep, number: int, known: Mapping[int, EarlierTrial]) -> StringMap:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {parameter.name: _distribution(parameter) for parameter in sweep.parameters}
    direction: Literal["maximize", "minimize"] = "maximize" if sweep.objective.goal == "Maximize" else "minimize"
    study = optuna.create_study(direction=direction, sampler=_sampler(sweep, number))
    if sweep.algorithm is Algorithm.TPE:
        for earlier in sorted(known.keys() & set(range(number))):
            trial = _frozen_trial(sweep, known[earlier], space, ended=earlier <= number - sweep.parallelism)
            if trial is not None:
                study.add_trial(trial)
    chosen = study.ask(space).params
    return {parameter.name: text_of(parameter, chosen[parameter.name]) for parameter in sweep.parameters}


def _sampler(sweep: Sweep, number: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    digest = hashlib.sha256(f"{sweep.seed}:{number}".encode()).digest()
    seed = int.from_bytes(digest[:4])
    if sweep.algorithm is Algorithm.RANDOM:
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=_RANDOM_FIRST, constant_liar=True)


def _distribution(parameter: SweptParameter) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.values is not None:
        return CategoricalDistribution(parameter.values)
    low, high = bounds(parameter)
    step = step_of(parameter)
    log = parameter.log and high > low * _NARROW
    if parameter.type is ParameterType.INT:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def _frozen_trial(
    sweep: Sweep, earlier: EarlierTrial, space: dict[str, "BaseDistribution"], *, ended: bool
) -> "FrozenTrial | None":
    """Return an earlier trial as Optuna's. None if its parameters are invalid, as after an edit by hand."""
    from optuna.trial import TrialState, create_trial

    states = {"Succeeded": TrialState.COMPLETE, "Failed": TrialState.FAIL, "Stopped": TrialState.PRUNED}
    state = states.get(earlier.state, TrialState.RUNNING) if ended else TrialState.RUNNING
    try:
        return create_trial(
            state=state,
            value=earlier.objective if state is TrialState.COMPLETE else None,
            params={swept.name: value_of(swept, earlier.parameters[swept.name]) for swept in sweep.parameters},
            distributions=space,
            intermediate_values={point.step: point.value for point in earlier.trace} if ended else None,
        )
    except (KeyError, ValueError):
        return None
