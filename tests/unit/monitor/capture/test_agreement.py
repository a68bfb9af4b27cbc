"""Predictions of two versions: when they agree, and how long one is stored to be compared."""

import json
from dataclasses import dataclass

import pytest

from modelops.monitor.capture import agreement
from modelops.monitor.capture.agreement import (
    RETENTION_SECONDS,
    InvalidPredictionsError,
    PredictionStore,
    parse_predictions,
    predictions_agree,
)
from modelops.monitor.capture.tables import Table
from support.manual_clock import ManualClock

NAN = float("nan")


@dataclass(frozen=True)
class Comparison:
    name: str
    first: Table
    second: Table
    tolerance: float
    agree: bool


COMPARISONS = [
    Comparison("equal numbers agree", {"p": [1.0]}, {"p": [1.0]}, tolerance=0, agree=True),
    Comparison(
        "numbers within the tolerance of the greater one agree",
        {"p": [100.0]},
        {"p": [101.0]},
        tolerance=0.01,
        agree=True,
    ),
    Comparison("numbers outside the tolerance differ", {"p": [100.0]}, {"p": [101.1]}, tolerance=0.01, agree=False),
    Comparison(
        "negative numbers within the tolerance agree", {"p": [-100.0]}, {"p": [-101.0]}, tolerance=0.01, agree=True
    ),
    Comparison("zero differs from any other number", {"p": [0.0]}, {"p": [1e-9]}, tolerance=0.000001, agree=False),
    Comparison("equal texts agree", {"p": ["yes"]}, {"p": ["yes"]}, tolerance=0, agree=True),
    Comparison("the tolerance does not apply to text", {"p": ["yes"]}, {"p": ["no"]}, tolerance=1, agree=False),
    Comparison("text differs from the number it spells", {"p": ["1"]}, {"p": [1.0]}, tolerance=1, agree=False),
    Comparison("NaN agrees with NaN", {"p": [NAN]}, {"p": [NAN]}, tolerance=0, agree=True),
    Comparison("NaN differs from a number", {"p": [NAN]}, {"p": [1.0]}, tolerance=1, agree=False),
    Comparison("predictions of different length differ", {"p": [1.0]}, {"p": [1.0, 1.0]}, tolerance=1, agree=False),
    Comparison("predictions with different columns differ", {"p": [1.0]}, {"q": [1.0]}, tolerance=1, agree=False),
    Comparison(
        "predictions that differ in one value differ", {"p": [1.0, 2.0]}, {"p": [1.0, 3.0]}, tolerance=0, agree=False
    ),
]


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.name)
def test_agreement_of_two_predictions(comparison: Comparison) -> None:
    assert predictions_agree(comparison.first, comparison.second, comparison.tolerance) is comparison.agree
    assert predictions_agree(comparison.second, comparison.first, comparison.tolerance) is comparison.agree


def test_a_prediction_is_returned_once() -> None:
    """No prediction is compared twice, and one that was taken needs no room."""
    store = PredictionStore(ManualClock())
    store.put("a", {"p": [1.0, "x"]})
    assert parse_predictions(store.take(["a", "b"]).encode()) == {"a": {"p": [1.0, "x"]}}
    assert store.take(["a"]) == "{}"


def test_a_prediction_is_stored_for_a_minute() -> None:
    clock = ManualClock()
    store = PredictionStore(clock)
    store.put("a", {"p": [1.0]})
    store.put("b", {"p": [1.0]})
    clock.now += RETENTION_SECONDS
    assert json.loads(store.take(["a"])) == {"a": {"p": [1.0]}}
    clock.now += 1
    assert store.take(["b"]) == "{}"


def test_the_oldest_predictions_are_evicted_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions that no Pod fetches must not fill the memory."""
    monkeypatch.setattr(agreement, "MAX_STORED_BYTES", 100)
    store = PredictionStore(ManualClock())
    for n in range(50):
        store.put(str(n), {"p": [1.0]})
    stored = json.loads(store.take([str(n) for n in range(50)]))
    assert list(stored) == [str(n) for n in range(50 - len(stored), 50)]
    assert 0 < len(stored) < 10


def test_predictions_beyond_the_bound_of_a_response_stay_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_RESPONSE_BYTES", 30)
    store = PredictionStore(ManualClock())
    for key in "abc":
        store.put(key, {"p": [1.0]})
    assert list(json.loads(store.take("abc"))) == ["a", "b"]
    assert list(json.loads(store.take("abc"))) == ["c"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": {"p": 1}}', b'{"a": {"p": [{}]}}'])
def test_content_that_no_monitor_writes_is_rejected(content: bytes) -> None:
    with pytest.raises(InvalidPredictionsError):
        parse_predictions(content)
