"""A step in which a candidate gets no request at all: what it can prove there, and what it must not wait for."""

import pytest

from modelops.api.inferenceservice_status import AnalysisResult
from support.builders.inferenceservices import Json
from support.controllers.rollout_states import BLUE_GREEN, next_transition, seconds_ago

OWN_CHECK: Json = {"checks": [{"name": "smoke", "hook": {"url": "http://judge.example"}}]}
ERROR_RATE: Json = {"errorRate": {"max": 0.1}}


def analysed(**outcomes: str) -> AnalysisResult:
    """Return an analysis with these outcomes, by the check's name."""
    checks = [{"name": name, "outcome": outcome, "message": "as it is"} for name, outcome in outcomes.items()]
    return AnalysisResult.model_validate({"outcome": "Inconclusive", "at": seconds_ago(1), "checks": checks})


@pytest.mark.parametrize(
    ("spec", "last", "step"),
    [
        pytest.param(ERROR_RATE, None, 2, id="a check of requests is not waited for before the first analysis"),
        pytest.param(
            ERROR_RATE, analysed(errorRate="Inconclusive"), 2, id="an inconclusive check of requests is not waited for"
        ),
        pytest.param(OWN_CHECK, None, 1, id="the user's own check is waited for before the first analysis"),
        pytest.param(OWN_CHECK, analysed(smoke="Inconclusive"), 1, id="the user's own check must be conclusive"),
        pytest.param(OWN_CHECK, analysed(smoke="Error"), 1, id="the user's own check must not be in error"),
        pytest.param(
            {**OWN_CHECK, **ERROR_RATE},
            analysed(errorRate="Inconclusive", smoke="Passed"),
            2,
            id="the user's own check that passed is enough",
        ),
    ],
)
def test_a_step_without_requests_ends_by_the_users_own_checks(
    spec: Json, last: AnalysisResult | None, step: int
) -> None:
    """A BlueGreen without mirror would otherwise wait until its deadline for requests that never come."""
    moved = next_transition({**BLUE_GREEN, "analysis": spec}, step=1, in_effect_for=60, analysed=last)
    assert moved.candidate.step == step
