"""metrics.jsonl is written by users' code while we read it: nothing in it may be taken for what it is not."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.contract.reports import ProgressPoint
from modelops.worker.training.step_metrics import Line, parsed


class Case(NamedTuple):
    """A line, as line 7 of its file, and what it says."""

    name: str
    text: str | bytes
    line: Line | None


@pytest.mark.parametrize(
    "case",
    [
        Case("a step and its metrics", '{"step": 3, "loss": 0.5, "n": 2}', Line(3, None, {"loss": 0.5, "n": 2.0})),
        Case("a line without a step has its number", '{"loss": 1}', Line(7, None, {"loss": 1.0})),
        Case("a step of 0", '{"step": 0}', Line(0, None, {})),
        Case("a step that a library wrote as a float", '{"step": 10.0}', Line(10, None, {})),
        Case("half a step is none", '{"step": 1.5}', Line(7, None, {})),
        Case("a negative step is none", '{"step": -1}', Line(7, None, {})),
        Case("a step as text is none", '{"step": "3"}', Line(7, None, {})),
        Case("a step of true is none", '{"step": true}', Line(7, None, {})),
        Case("a step that no counter holds is none", '{"step": 1' + "0" * 400 + "}", Line(7, None, {})),
        Case("the total, as we call it", '{"total_steps": 9}', Line(7, 9, {})),
        Case("the total in camelCase", '{"totalSteps": 9}', Line(7, 9, {})),
        Case("the total of Hugging Face's trainer", '{"max_steps": 9}', Line(7, 9, {})),
        Case("a total of -1 means that nobody knows", '{"max_steps": -1}', Line(7, None, {})),
        Case(
            "what is no number is no metric",
            '{"a": "x", "b": null, "c": [1], "d": true, "e": 1}',
            Line(7, None, {"e": 1}),
        ),
        Case(
            "what is not finite is no metric", '{"a": NaN, "b": Infinity, "c": 1e999, "d": 1}', Line(7, None, {"d": 1})
        ),
        Case("a name that UTF-8 cannot hold is none", '{"\\ud800": 1, "é": 2}', Line(7, None, {"é": 2})),
        Case("a name without end is none", '{"' + "x" * 65 + '": 1, "": 2}', Line(7, None, {})),
        Case("no JSON", "epoch 1: loss 0.5", None),
        Case("half a line", '{"step": 1', None),
        Case("no object", "[1]", None),
        Case("nested without end", "[" * 100_000, None),
        Case("no text", b'{"a": "\xff"}', None),
    ],
    ids=lambda case: case.name,
)
def test_a_line(case: Case) -> None:
    """Each line stands for itself: what is wrong with one costs nothing but that one."""
    text = case.text if isinstance(case.text, bytes) else case.text.encode()
    assert parsed(text, 7) == case.line


def test_metrics_without_end_are_cut() -> None:
    """A trainer that logs a number for each of its layers does not fill the sidecar's memory."""
    line = parsed(b"{" + b",".join(b'"m%d": 1' % number for number in range(200)) + b"}", 1)
    assert line is not None
    assert len(line.metrics) == 50


@given(st.binary() | st.text().map(str.encode), st.integers(1, 10**6))
def test_whatever_is_read_can_be_told(text: bytes, number: int) -> None:
    """No bytes raise, and no line gives a report that cannot be written as JSON."""
    line = parsed(text, number)
    if line is not None:
        ProgressPoint(step=line.step, metrics=line.metrics).model_dump_json()
