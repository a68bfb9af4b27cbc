"""Gates: bounds on metrics."""

from dataclasses import dataclass

import pytest

from modelops.api.modelversion import Gate
from modelops.controllers.modelversion.gates import describe, evaluate


@dataclass(frozen=True)
class Case:
    """A gate with its bounds, the value of the metric (None: missing), and the outcome."""

    name: str
    value: float | None
    outcome: str
    min: float | None = None
    max: float | None = None


@pytest.mark.parametrize(
    "case",
    [
        Case("a value above the minimum", 0.9, "Passed", min=0.8),
        Case("a value equal to the minimum", 0.8, "Passed", min=0.8),
        Case("a value below the minimum", 0.7999999, "Failed", min=0.8),
        Case("a value below the maximum", 0.1, "Passed", max=0.2),
        Case("a value equal to the maximum", 0.2, "Passed", max=0.2),
        Case("a value above the maximum", 0.3, "Failed", max=0.2),
        Case("a value between both bounds", 1.0, "Passed", min=0.8, max=1.25),
        Case("a value above both bounds", 1.3, "Failed", min=0.8, max=1.25),
        Case("a value below both bounds", 0.7, "Failed", min=0.8, max=1.25),
        Case("a value of zero", 0.0, "Passed", max=0.0),
        Case("a missing metric", None, "Missing", min=0.0),
        Case("a metric that is not a number", float("nan"), "Missing", min=0.0),
        Case("a metric that is infinite", float("inf"), "Missing", min=0.0),
    ],
    ids=lambda case: case.name,
)
def test_evaluate(case: Case) -> None:
    """A metric that cannot be compared must not let a version serve."""
    metrics = {} if case.value is None else {"m": case.value}
    result = evaluate(Gate(metric="m", min=case.min, max=case.max), metrics)
    assert result.outcome == case.outcome
    assert (result.value is None) == (case.outcome == "Missing"), "JSON cannot hold the value"
    assert (result.min, result.max) == (case.min, case.max)


@pytest.mark.parametrize(
    ("gate", "value", "sentence"),
    [
        pytest.param(Gate(metric="m", min=0.8), 0.79, 'metric "m" is 0.79 and must be at least 0.8', id="minimum"),
        pytest.param(Gate(metric="m", max=5), 6.5, 'metric "m" is 6.5 and must be at most 5', id="maximum"),
        pytest.param(
            Gate(metric="m", min=1, max=2),
            3.0,
            'metric "m" is 3 and must be at least 1 and at most 2',
            id="both bounds",
        ),
        pytest.param(
            Gate(metric="m", min=1),
            None,
            'metric "m" is missing: a missing metric fails its gate',
            id="a missing metric",
        ),
    ],
)
def test_describe(gate: Gate, value: float | None, sentence: str) -> None:
    """A person must see the value and the bound."""
    assert describe(evaluate(gate, {} if value is None else {"m": value})) == sentence
