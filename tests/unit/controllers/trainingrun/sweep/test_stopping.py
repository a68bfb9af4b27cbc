"""The median stopping rule, against cases that were worked out by hand."""

from dataclasses import dataclass

import pytest

from modelops.api.sweep import MedianStopping, Objective
from modelops.api.trainingrun_status import TracePoint
from modelops.controllers.trainingrun.sweep.stopping import why_stopped


def trace(*values: float, every: int = 1) -> list[TracePoint]:
    """A trace whose first step is `every`."""
    return [TracePoint(step=number * every, value=value) for number, value in enumerate(values, start=1)]


GOOD = [trace(0.5, 0.6, 0.7, 0.8), trace(0.4, 0.6, 0.8, 0.9), trace(0.6, 0.6, 0.6, 0.6)]
"""The means up to step 2 are 0.55, 0.5 and 0.6, up to step 4 0.65, 0.675 and 0.6: the medians are 0.55 and 0.65."""


@dataclass(frozen=True)
class Case:
    name: str
    trace: list[TracePoint]
    stopped: bool
    others: tuple[list[TracePoint], ...] = tuple(GOOD)
    start: int = 2
    least: int = 3
    goal: str = "Maximize"


CASES = [
    Case("a trial whose best is below the median is stopped", trace(0.3, 0.54), True),
    Case("one that reaches it is not", trace(0.3, 0.55), False),
    Case("its best counts, not its last", trace(0.56, 0.1), False),
    Case("before the first step to judge at it is not", trace(0.1), False),
    Case("the others are looked at up to the same step alone", trace(0.6, 0.6, 0.6, 0.64), True),
    Case("a later start spares it", trace(0.1, 0.1, 0.1), False, start=4),
    Case("too few have succeeded", trace(0.1, 0.1), False, others=tuple(GOOD[:2])),
    Case("two are enough where the spec says so", trace(0.1, 0.1), True, others=tuple(GOOD[:2]), least=2),
    Case("a trial that has told nothing goes on", [], False),
    Case(
        "others that told nothing up to there do not count",
        trace(0.1, 0.1),
        False,
        others=(*GOOD[:2], trace(0.9, every=9)),
    ),
    Case("for a loss, above the median is worse", trace(0.9, 0.56), True, goal="Minimize"),
    Case("and below it better", trace(0.9, 0.54), False, goal="Minimize"),
    Case("of four, the median is between the middle two", trace(0.3, 0.52), True, others=(*GOOD, trace(0.5, 0.5))),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule(case: Case) -> None:
    rule = MedianStopping(start_step=case.start, min_trials=case.least)
    objective = Objective.model_validate({"metric": "auc", "goal": case.goal})
    assert (why_stopped(case.trace, case.others, rule, objective) is not None) is case.stopped


def test_the_reason_has_the_numbers() -> None:
    """Whoever asks why a trial was stopped can reckon it again."""
    why = why_stopped(trace(0.3, 0.54), GOOD, MedianStopping(start_step=1, min_trials=1), Objective(metric="auc"))
    assert why == "step 2: best auc 0.54 is worse than the median 0.55 of 3 trials"
