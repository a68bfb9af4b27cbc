"""Users' code writes metrics.jsonl while the sidecar reads it: no content of a line does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint
from modelops.worker.training.step_metrics import MetricsLine, parse_line

NUMBER = 7
"""Number of the line in its file."""


def line(*, step: int = NUMBER, total_steps: int | None = None, **metrics: float) -> MetricsLine:
    return MetricsLine(step=step, total_steps=total_steps, metrics=metrics)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"step": 3, "loss": 0.5, "n": 2}', line(step=3, loss=0.5, n=2.0), id="a step and its metrics"),
        pytest.param('{"step": 0}', line(step=0), id="a step of 0"),
        pytest.param('{"step": 10.0}', line(step=10), id="a step that a library wrote as a float"),
        pytest.param('{"total_steps": 9}', line(total_steps=9), id="total steps in snake case"),
        pytest.param('{"totalSteps": 9}', line(total_steps=9), id="total steps in camel case"),
        pytest.param('{"max_steps": 9}', line(total_steps=9), id="total steps as Hugging Face's Trainer writes them"),
        pytest.param('{"max_steps": -1}', line(), id="total steps of -1 are unknown"),
    ],
)
def test_a_line_has_a_step_total_steps_and_metrics(text: str, expected: MetricsLine) -> None:
    """Lines as common libraries write them need no change to show progress."""
    assert parse_line(text.encode(), NUMBER) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"loss": 1}', id="no step"),
        pytest.param('{"loss": 1, "step": 1.5}', id="a step that is not a whole number"),
        pytest.param('{"loss": 1, "step": -1}', id="a negative step"),
        pytest.param('{"loss": 1, "step": "3"}', id="a step as text"),
        pytest.param('{"loss": 1, "step": true}', id="a step that is a boolean"),
        pytest.param('{"loss": 1, "step": 1' + "0" * 400 + "}", id="a step too large for a float"),
    ],
)
def test_a_line_without_a_valid_step_has_its_number_as_its_step(text: str) -> None:
    """Progress shows even if a trainer writes no usable step."""
    assert parse_line(text.encode(), NUMBER) == line(step=NUMBER, loss=1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": "x", "b": null, "c": [1], "d": true, "e": 1}', {"e": 1}, id="values that are not numbers"),
        pytest.param('{"a": NaN, "b": Infinity, "c": 1e999, "d": 1}', {"d": 1}, id="numbers that are not finite"),
        pytest.param('{"\\ud800": 1, "é": 2}', {"é": 2}, id="a name that UTF-8 cannot hold"),
        pytest.param('{"' + "x" * 65 + '": 1, "": 2}', {}, id="names that are too long or empty"),
    ],
)
def test_an_invalid_metric_is_left_out(text: str, expected: dict[str, float]) -> None:
    """One bad value costs only itself, not the rest of the line."""
    assert parse_line(text.encode(), NUMBER) == MetricsLine(step=NUMBER, total_steps=None, metrics=expected)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"epoch 1: loss 0.5", id="plain text"),
        pytest.param(b'{"step": 1', id="an incomplete line"),
        pytest.param(b"[1]", id="an array"),
        pytest.param(b"[" * 100_000, id="a document that is nested too deeply"),
        pytest.param(b'{"a": "\xff"}', id="bytes that are not UTF-8"),
    ],
)
def test_a_line_that_is_not_a_json_object_is_ignored(text: bytes) -> None:
    """A line of another kind costs only itself, not the progress."""
    assert parse_line(text, NUMBER) is None


def test_a_line_has_at_most_fifty_metrics() -> None:
    """A trainer that logs a number for each of its layers does not fill the sidecar's memory."""
    parsed = parse_line(b"{" + b",".join(b'"m%d": 1' % number for number in range(200)) + b"}", NUMBER)
    assert parsed is not None
    assert len(parsed.metrics) == 50


@given(st.binary() | st.text().map(str.encode), st.integers(1, 10**6))
def test_any_line_makes_a_report_that_is_valid_json(text: bytes, number: int) -> None:
    """No bytes raise an error, and no line makes a report that cannot be written as JSON."""
    parsed = parse_line(text, number)
    if parsed is not None:
        ProgressPoint(step=parsed.step, metrics=parsed.metrics).model_dump_json()
