"""Which parameters a trial gets: asked of Optuna, which is told of the trials before.

Nothing is kept between two questions. A study is made anew for each one, of the earlier trials and of a sampler whose
seed is the sweep's and the trial's number, so that an answer depends on nothing else and is the same after any
restart. Optuna and what it brings are loaded when a sweep first asks.
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
"""So many trials must have ended before tpe learns from them: Optuna's ten would leave nothing of a sweep of ten."""
_NARROW = 1.000001
"""Over a range narrower than that logarithms are a straight line, and too close together to reckon with."""


@dataclass(frozen=True)
class EarlierTrial:
    """What is known of an earlier trial."""

    parameters: StringMap
    state: Literal["Running", "Succeeded", "Failed", "Stopped"]
    objective: float | None = None
    trace: tuple[TracePoint, ...] = ()


def suggest(sweep: Sweep, numbers: Sequence[int], tried: Mapping[int, EarlierTrial]) -> dict[int, StringMap]:
    """The parameters of each of these trials, from what is known of the trials by their numbers.

    tpe looks at the results of the trials up to `parallelism` before alone: which of the others have ended is a matter
    of time. They count as running, and draws keep away from them.
    """
    if sweep.algorithm is Algorithm.GRID:
        return {number: grid.point(sweep, number) for number in numbers}
    known = dict(tried)
    suggested = {}
    for number in sorted(numbers):
        suggested[number] = _ask(sweep, number, known)
        known[number] = EarlierTrial(suggested[number], "Running")
    return suggested


def _ask(sweep: Sweep, number: int, known: Mapping[int, EarlierTrial]) -> StringMap:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {parameter.name: _distribution(parameter) for parameter in sweep.parameters}
    direction: Literal["maximize", "minimize"] = "maximize" if sweep.objective.goal == "Maximize" else "minimize"
    study = optuna.create_study(direction=direction, sampler=_sampler(sweep, number))
    if sweep.algorithm is Algorithm.TPE:
        for earlier in sorted(known.keys() & set(range(number))):
            told = _told(sweep, known[earlier], space, ended=earlier <= number - sweep.parallelism)
            if told is not None:
                study.add_trial(told)
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


def _told(
    sweep: Sweep, tried: EarlierTrial, space: dict[str, "BaseDistribution"], *, ended: bool
) -> "FrozenTrial | None":
    """An earlier trial in Optuna's words. None for one whose parameters a person has changed to what cannot be."""
    from optuna.trial import TrialState, create_trial

    states = {"Succeeded": TrialState.COMPLETE, "Failed": TrialState.FAIL, "Stopped": TrialState.PRUNED}
    state = states.get(tried.state, TrialState.RUNNING) if ended else TrialState.RUNNING
    try:
        return create_trial(
            state=state,
            value=tried.objective if state is TrialState.COMPLETE else None,
            params={one.name: value_of(one, tried.parameters[one.name]) for one in sweep.parameters},
            distributions=space,
            intermediate_values={point.step: point.value for point in tried.trace} if ended else None,
        )
    except (KeyError, ValueError):
        return None
