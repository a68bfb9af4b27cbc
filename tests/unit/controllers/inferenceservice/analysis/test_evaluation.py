"""Analyses: the outcome that follows from all checks, and what one analysis hands on to the next."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.inferenceservice_status import AnalysisOutcome, AnalysisResult
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evaluation import evaluate, in_new_step, window_ends
from modelops.controllers.inferenceservice.analysis.evidence import Evidence, Pairs
from support.builders.analyses import check_result, counters
from support.builders.common import NOW, ago

MAX_1_PERCENT = {"errorRate": {"max": 0.01}}
TWICE_STABLE = {"errorRate": {"maxRatioToStable": 2}}
P99_200_MS = {"latency": [{"quantile": 0.99, "max": "200ms"}]}
P99_RATIO = {"latency": [{"quantile": 0.99, "maxRatioToStable": 1.5}]}
CUSTOM: dict[str, Any] = {"checks": [{"name": name, "hook": {"url": "http://h"}} for name in ("a", "b", "c", "d")]}


def analysis(
    spec: dict[str, Any],
    *,
    candidate: Counters | None = None,
    stable: Counters | None = None,
    evidence: Evidence | None = None,
    previous: AnalysisResult | None = None,
    all_traffic: bool = False,
) -> AnalysisResult:
    return evaluate(
        Analysis.model_validate(spec),
        candidate or Counters(),
        stable or Counters(),
        evidence or Evidence(),
        previous,
        NOW,
        all_traffic=all_traffic,
    )


@pytest.mark.parametrize("spec", [TWICE_STABLE, P99_RATIO], ids=["errorRate", "latency"])
@pytest.mark.parametrize("late", [0, 3], ids=["no more stable requests", "a few late stable requests"])
def test_a_candidate_with_all_traffic_is_compared_with_the_last_figures_of_the_stable_version(
    spec: dict[str, Any], late: int
) -> None:
    """A bound by ratio alone would let a candidate that gets all traffic answer anything."""
    good, bad = counters(requests=100), counters(requests=100, errors=100, milliseconds=5000)
    without_figures = analysis(spec, candidate=bad, stable=counters(requests=late), all_traffic=True)
    assert without_figures.outcome == "Inconclusive"

    last_step = analysis(spec, candidate=good, stable=counters(requests=100))
    first = analysis(spec, candidate=bad, stable=counters(requests=late), previous=last_step, all_traffic=True)
    second = analysis(spec, candidate=bad, previous=first, all_traffic=True)
    assert (last_step.outcome, first.outcome, second.outcome) == ("Passed", "Failed", "Failed")
    assert first.stable == second.stable == last_step.stable
    assert analysis(spec, candidate=good, previous=first, all_traffic=True).outcome == "Passed"


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param(["Passed", "Passed", "Passed", "Passed"], "Passed", id="all passed"),
        pytest.param(["Passed", "Inconclusive", "Passed", "Passed"], "Inconclusive", id="one inconclusive"),
        pytest.param(["Passed", "Inconclusive", "Error", "Passed"], "Error", id="an error outweighs inconclusive"),
        pytest.param(["Passed", "Inconclusive", "Error", "Failed"], "Failed", id="a failure outweighs an error"),
        pytest.param(["Passed", "Passed", "Passed"], "Inconclusive", id="one without a result"),
    ],
)
def test_the_severest_outcome_of_a_check_is_that_of_the_analysis(
    outcomes: list[AnalysisOutcome], expected: AnalysisOutcome
) -> None:
    custom = {name: check_result(name, outcome) for name, outcome in zip("abcd", outcomes, strict=False)}
    result = analysis(CUSTOM, evidence=Evidence(custom=custom))
    assert result.outcome == expected
    assert [check.name for check in result.checks] == ["a", "b", "c", "d"]


def test_a_custom_check_without_a_result_says_so() -> None:
    assert {check.message for check in analysis(CUSTOM).checks} == {"no result yet"}


@pytest.mark.parametrize(
    ("outcome", "failures", "passes"),
    [
        pytest.param("Passed", 0, 4, id="a pass ends the failures in a row"),
        pytest.param("Failed", 3, 3, id="a failure is one more in a row"),
        pytest.param("Error", 2, 3, id="an error changes neither"),
        pytest.param("Inconclusive", 2, 3, id="an inconclusive analysis changes neither"),
    ],
)
def test_failures_in_a_row_and_passes_are_counted_on(outcome: AnalysisOutcome, failures: int, passes: int) -> None:
    previous = AnalysisResult(outcome="Failed", at=ago(minutes=1), failures=2, passes=3)
    spec = {"checks": [{"name": "a", "hook": {"url": "http://h"}}]}
    result = analysis(spec, evidence=Evidence(custom={"a": check_result("a", outcome)}), previous=previous)
    assert (result.failures, result.passes) == (failures, passes)


def test_the_first_analysis_counts_from_zero() -> None:
    result = analysis(MAX_1_PERCENT, candidate=counters(requests=100, errors=50))
    assert (result.failures, result.passes, result.at) == (1, 0, "2026-11-05T12:00:00Z")


def test_a_new_step_has_no_passes_yet() -> None:
    """Failures in a row are those of the attempt: the end of a step does not forgive them."""
    result = in_new_step(AnalysisResult(outcome="Failed", at=ago(minutes=1), failures=2, passes=3))
    assert result is not None
    assert (result.failures, result.passes) == (2, 0)
    assert in_new_step(None) is None


def test_figures_of_both_versions_are_kept() -> None:
    candidate = counters(requests=100, errors=1, milliseconds=20)
    result = analysis(P99_200_MS, candidate=candidate, stable=counters(requests=50))
    assert (result.candidate.requests, result.candidate.errors, result.stable.requests) == (100, 1, 50)
    assert [latency.milliseconds for latency in result.candidate.latency] == [pytest.approx(20, abs=0.01)]
    assert analysis(P99_200_MS).candidate.latency == []


@pytest.mark.parametrize(
    ("candidate", "custom", "ends"),
    [
        pytest.param(counters(requests=3), "Passed", False, id="too few requests"),
        pytest.param(counters(requests=100), "Passed", True, id="all passed"),
        pytest.param(counters(requests=100, errors=50), "Passed", True, id="a built-in check failed"),
        pytest.param(counters(requests=100), "Inconclusive", True, id="a custom check is inconclusive"),
        pytest.param(counters(requests=100), "Error", True, id="a custom check has an error"),
    ],
)
def test_a_window_goes_on_while_it_has_too_few_requests(
    candidate: Counters, custom: AnalysisOutcome, ends: bool
) -> None:
    """Requests that were too few count for the next analysis.

    A custom check without a result does not stretch the window: it would hide a candidate that begins to fail behind
    all earlier requests.
    """
    spec = MAX_1_PERCENT | {"checks": [{"name": "a", "hook": {"url": "http://h"}}]}
    result = analysis(spec, candidate=candidate, evidence=Evidence(custom={"a": check_result("a", custom)}))
    assert window_ends(Analysis.model_validate(spec), result) == ends


@given(
    requests=st.integers(0, 300),
    errors=st.integers(0, 300),
    more=st.integers(0, 300),
    stable_requests=st.integers(0, 300),
)
def test_more_errors_never_improve_the_outcome(requests: int, errors: int, more: int, stable_requests: int) -> None:
    spec = {"errorRate": {"max": 0.1, "maxRatioToStable": 3}}
    stable = counters(requests=stable_requests, errors=stable_requests // 10)
    best_first = ("Passed", "Inconclusive", "Failed")
    outcomes = [
        best_first.index(analysis(spec, candidate=counters(requests=requests, errors=count), stable=stable).outcome)
        for count in sorted((min(errors, requests), min(more, requests)))
    ]
    assert outcomes == sorted(outcomes)


@given(agreed=st.integers(0, 99), disagreed=st.integers(0, 99))
def test_pairs_since_an_earlier_reading_are_those_added(agreed: int, disagreed: int) -> None:
    added = Pairs(compared=agreed + disagreed, agreed=agreed)
    before = Pairs(compared=2, agreed=1)
    assert (added + before).since(before) == added
    assert Pairs(compared=1, agreed=1).since(before) == Pairs(compared=1, agreed=1)
