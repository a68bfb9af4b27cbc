"""Median stopping rule, against cases calculated by hand."""

from dataclasses import dataclass

import pytest

from modelops.api.sweep import MedianStopping, Objective
from modelops.api.trainingrun_status import TracePoint
from modelops.controllers.trainingrun.sweep.stopping import why_stopped


def trace(*values: float, every: int = 1) -> list[TracePoint]:
    """Build a trace with a value at every so many steps."""
    return [TracePoint(step=number * every, value=value) for number, value in enumerate(values, start=1)]


GOOD = [trace(0.5, 0.6, 0.7, 0.8), trace(0.4, 0.6, 0.8, 0.9), trace(0.6, 0.6, 0.6, 0.6)]
"""The means up to step 2 are 0.55, 0.5 and 0.6, up to step 4 0.65, 0.675 and 0.6: the medians are 0.55 and 0.65."""


@dataclass(frozen=True)
class StoppingCase:
    """One row: its name is the promise, as a sentence of the manual."""

    name: str
    trace: list[TracePoint]
    stopped: bool
    others: tuple[list[TracePoint], ...] = tuple(GOOD)
    start_step: int = 2
    min_trials: int = 3
    goal: str = "Maximize"


CASES = [
    StoppingCase("a trial whose best value is below the median is stopped", trace(0.3, 0.54), stopped=True),
    StoppingCase("a trial whose best value reaches the median is not stopped", trace(0.3, 0.55), stopped=False),
    StoppingCase("the best value counts, not the last", trace(0.56, 0.1), stopped=False),
    StoppingCase("before startStep no trial is stopped", trace(0.1), stopped=False),
    StoppingCase("means are taken up to the trial's own step", trace(0.6, 0.6, 0.6, 0.64), stopped=True),
    StoppingCase("a later startStep spares a trial", trace(0.1, 0.1, 0.1), stopped=False, start_step=4),
    StoppingCase(
        "with fewer succeeded trials than minTrials no trial is stopped",
        trace(0.1, 0.1),
        stopped=False,
        others=tuple(GOOD[:2]),
    ),
    StoppingCase(
        "with as many succeeded trials as minTrials a trial is stopped",
        trace(0.1, 0.1),
        stopped=True,
        others=tuple(GOOD[:2]),
        min_trials=2,
    ),
    StoppingCase("a trial without a trace is not stopped", [], stopped=False),
    StoppingCase(
        "trials without a value up to the same step do not count",
        trace(0.1, 0.1),
        stopped=False,
        others=(*GOOD[:2], trace(0.9, every=9)),
    ),
    StoppingCase(
        "with goal Minimize a trial above the median is stopped", trace(0.9, 0.56), stopped=True, goal="Minimize"
    ),
    StoppingCase(
        "with goal Minimize a trial below the median is not stopped", trace(0.9, 0.54), stopped=False, goal="Minimize"
    ),
    StoppingCase(
        "the median of four trials is the mean of the middle two",
        trace(0.3, 0.52),
        stopped=True,
        others=(*GOOD, trace(0.5, 0.5)),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_median_stopping_rule(case: StoppingCase) -> None:
    """Each row's name is the promise that it protects."""
    rule = MedianStopping(start_step=case.start_step, min_trials=case.min_trials)
    objective = Objective.model_validate({"metric": "auc", "goal": case.goal})
    assert (why_stopped(case.trace, case.others, rule, objective) is not None) is case.stopped


def test_the_reason_to_stop_has_the_figures() -> None:
    """A person can check the calculation."""
    why = why_stopped(trace(0.3, 0.54), GOOD, MedianStopping(start_step=1, min_trials=1), Objective(metric="auc"))
    assert why == "step 2: best auc 0.54 is worse than the median 0.55 of 3 trials"
