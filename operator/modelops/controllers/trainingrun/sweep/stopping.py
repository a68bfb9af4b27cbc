"""Which trials will not be the best: the median stopping rule. Pure.

A trial is stopped at a step if its best objective so far is worse than the median, over the trials that have succeeded,
of the mean of their objectives up to that step (Golovin et al., Google Vizier: A Service for Black-Box Optimization,
KDD 2017, section 3.2.2). Objectives come thinned out, in at most 32 evenly spread points a trial.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from modelops.api.sweep import MedianStopping, Objective
from modelops.api.trainingrun_status import TracePoint

Trace = Sequence[TracePoint]


def why_stopped(trace: Trace, succeeded: Iterable[Trace], rule: MedianStopping, objective: Objective) -> str | None:
    """The sentence that says why a trial with this trace is stopped; None where it goes on."""
    if not trace:
        return None
    step = max(point.step for point in trace)
    if step < rule.start_step:
        return None
    means = [fmean(values) for other in succeeded if (values := [one.value for one in other if one.step <= step])]
    if len(means) < rule.min_trials:
        return None
    best = best_of(trace, objective)
    middle = median(means)
    if not is_better(middle, best, objective):
        return None
    return (
        f"{objective.metric} is {best:.4g} at best up to step {step}, and the median of {len(means)} trials up to"
        f" there is {middle:.4g}"
    )


def best_of(trace: Trace, objective: Objective) -> float:
    """The best value of a trace that has one."""
    values = [point.value for point in trace]
    return max(values) if objective.goal == "Maximize" else min(values)


def is_better(one: float, other: float, objective: Objective) -> bool:
    """Whether one value of the objective is better than another."""
    return one > other if objective.goal == "Maximize" else one < other
