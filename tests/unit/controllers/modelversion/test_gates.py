"""Gates: bounds that metrics must keep."""

from dataclasses import dataclass

import pytest

from modelops.api.modelversion import Gate
from modelops.controllers.modelversion.gates import describe, evaluate


@dataclass(frozen=True)
class Case:
    """A gate with its bounds, the metric's value (None: there is none), and what comes of it."""

    name: str
    value: float | None
    outcome: str
    min: float | None = None
    max: float | None = None


@pytest.mark.parametrize(
    "case",
    [
        Case("above the least", 0.9, "Passed", min=0.8),
        Case("exactly the least", 0.8, "Passed", min=0.8),
        Case("below the least", 0.7999999, "Failed", min=0.8),
        Case("below the greatest", 0.1, "Passed", max=0.2),
        Case("exactly the greatest", 0.2, "Passed", max=0.2),
        Case("above the greatest", 0.3, "Failed", max=0.2),
        Case("between both", 1.0, "Passed", min=0.8, max=1.25),
        Case("above both", 1.3, "Failed", min=0.8, max=1.25),
        Case("below both", 0.7, "Failed", min=0.8, max=1.25),
        Case("zero is a value", 0.0, "Passed", max=0.0),
        Case("no metric", None, "Missing", min=0.0),
        Case("not a number", float("nan"), "Missing", min=0.0),
        Case("infinite", float("inf"), "Missing", min=0.0),
    ],
    ids=lambda case: case.name,
)
def test_outcome(case: Case) -> None:
    """Gates fail closed: what cannot be compared does not pass."""
    metrics = {} if case.value is None else {"m": case.value}
    result = evaluate(Gate(metric="m", min=case.min, max=case.max), metrics)
    assert result.outcome == case.outcome
    assert (result.value is None) == (case.outcome == "Missing"), "no value that JSON cannot hold goes into a status"
    assert (result.min, result.max) == (case.min, case.max)


@pytest.mark.parametrize(
    ("gate", "value", "words"),
    [
        (Gate(metric="m", min=0.8), 0.79, 'metric "m" is 0.79 and must be at least 0.8'),
        (Gate(metric="m", max=5), 6.5, 'metric "m" is 6.5 and must be at most 5'),
        (Gate(metric="m", min=1, max=2), 3.0, 'metric "m" is 3 and must be at least 1 and at most 2'),
        (Gate(metric="m", min=1), None, 'metric "m" is missing: a missing metric fails its gate'),
    ],
)
def test_words(gate: Gate, value: float | None, words: str) -> None:
    """One sentence a person can act on: the value and the bound."""
    assert describe(evaluate(gate, {} if value is None else {"m": value})) == words
