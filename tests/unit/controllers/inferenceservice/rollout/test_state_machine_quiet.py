"""A stage in which a candidate gets no request at all: what it can prove there, and what it must not wait for."""

import pytest

from modelops.api.inferenceservice_status import AnalysisResult
from support.rollout_states import BLUE_GREEN, Json, ago, next_move

CHECKS: Json = {"checks": [{"name": "smoke", "hook": {"url": "http://judge.example"}}]}


def found(**outcomes: str) -> AnalysisResult:
    """A judgement with these results."""
    checks = [{"name": name, "outcome": outcome, "message": "as it is"} for name, outcome in outcomes.items()]
    return AnalysisResult.model_validate({"outcome": "Inconclusive", "at": ago(1), "checks": checks})


@pytest.mark.parametrize(
    ("analysis", "judged", "step"),
    [
        ({"errorRate": {"max": 0.1}}, None, 2),
        ({"errorRate": {"max": 0.1}}, found(errorRate="Inconclusive"), 2),
        (CHECKS, None, 1),
        (CHECKS, found(smoke="Inconclusive"), 1),
        (CHECKS, found(smoke="Error"), 1),
        ({**CHECKS, "errorRate": {"max": 0.1}}, found(errorRate="Inconclusive", smoke="Passed"), 2),
    ],
    ids=[
        "there is nothing to judge by",
        "and a judgement that says so is not waited out",
        "a check of one's own is waited for",
        "until it has an answer",
        "and it must be one",
        "then it goes on, though there were no requests",
    ],
)
def test_a_stage_without_requests_ends_by_checks_of_ones_own(analysis, judged, step):
    """A BlueGreen without mirror would otherwise wait for requests that never come, until its deadline."""
    move = next_move({**BLUE_GREEN, "analysis": analysis}, 1, in_force=60, judged=judged)
    assert move.candidate.step == step
