"""Stop trials early by the median stopping rule. Pure.

A trial is stopped at a step if its best objective so far is worse than the median, over the trials that have succeeded,
of the mean of their objectives up to that step (Golovin et al., Google Vizier: A Service for Black-Box Optimization,
KDD 2017, section 3.2.2). A trace has at most 32 evenly spread points.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from modelops.api.sweep import MedianStopping, Objective
from modelops.api.trainingrun_status import TracePoint

Trace = Sequence[TracePoint]


def why_stopped(trace: Trace, succeeded: Iterable[Trace], rule: MedianStopping, objective: Objective) -> str | None:
    """Return why a trial with this trace is stopped; None if it continues."""
    if not trace:
        return None
    step = max(point.step for point in trace)
    if step < rule.start_step:
        return None
    means = [fmean(values) for other in succeeded if (values := [point.value for point in other if point.step <= step])]
    if len(means) < rule.min_trials:
        return None
    best = best_of(trace, objective)
    middle = median(means)
    if not is_better(middle, best, objective):
        return None
    worse = f"best {objective.metric} {best:.4g} is worse than the median {middle:.4g} of {len(means)} trials"
    return f"step {step}: {worse}"


def best_of(trace: Trace, objective: Objective) -> float:
    """Return the best value of a trace, which must not be empty."""
    values = [point.value for point in trace]
    return max(values) if objective.goal == "Maximize" else min(values)


def is_better(value: float, other: float, objective: Objective) -> bool:
    """Return whether a value of the objective is better than another."""
    return value > other if objective.goal == "Maximize" else value < other
