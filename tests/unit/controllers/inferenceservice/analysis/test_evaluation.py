"""Judgements: each check with its numbers, and what follows from all of them."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisResult
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evaluation import (
    Distributions,
    Evidence,
    Pairs,
    Sides,
    evaluate,
    in_new_step,
    window_ends,
)
from support.builders.common import NOW, ago


def counters(requests: int = 0, errors: int = 0, ms: float = 10) -> Counters:
    """Requests that all took the same time but for the width of a bucket."""
    return Counters(requests, errors, ((ms - 0.001, 0), (ms, requests))) if requests else Counters()


def sides(candidate: dict[str, int], stable: dict[str, int]) -> Sides:
    return Sides(
        *(Sample(sum(counts.values()), {"lvr": ColumnCounts(labels=counts)}) for counts in (candidate, stable))
    )


def judgement(
    spec: dict[str, Any],
    candidate: Counters | None = None,
    stable: Counters | None = None,
    extra: Evidence | None = None,
    before: AnalysisResult | None = None,
) -> AnalysisResult:
    return evaluate(
        Analysis.model_validate(spec),
        candidate or Counters(),
        stable or Counters(),
        extra or Evidence(),
        before,
        NOW,
    )


@dataclass(frozen=True)
class Case:
    about: str
    spec: dict[str, Any]
    outcome: str
    message: str
    candidate: Counters = field(default_factory=Counters)
    stable: Counters = field(default_factory=Counters)
    told: Distributions = field(default_factory=Distributions)
    name: str = "errorRate"


MAX = {"errorRate": {"max": 0.01}}
RATIO = {"errorRate": {"maxRatioToStable": 2}}
LATENCY = "latency 0.99"
P99 = {"latency": [{"quantile": 0.99, "max": "200ms"}]}
P99_RATIO = {"latency": [{"quantile": 0.99, "maxRatioToStable": 1.5}]}
BOTH = {"latency": [{"quantile": 0.99, "max": "200ms", "maxRatioToStable": 1.5}]}
INPUTS = {"inputDistance": {"max": 0.2}}
PREDICTIONS = {"predictionDistance": {"max": 0.2, "method": "PSI"}}
AGREEMENT = {"agreement": {"min": 0.95}}


@pytest.mark.parametrize(
    "case",
    [
        Case("no requests are inconclusive", MAX, "Inconclusive", "0 of 100 requests so far"),
        Case(
            "few requests are inconclusive, however bad", MAX, "Inconclusive",
            "3 of 100 requests so far", counters(3, 3),
        ),
        Case(
            "errors above max fail", MAX, "Failed",
            "errorRate 0.0431 (5 of 116) is above max 0.01", counters(116, 5),
        ),
        Case(
            "errors at max pass", MAX, "Passed",
            "errorRate 0.01 (1 of 100) is within bounds", counters(100, 1),
        ),
        Case(
            "no error passes a max of 0", {"errorRate": {"max": 0}}, "Passed",
            "errorRate 0 (0 of 100) is within bounds", counters(100),
        ),
        Case(
            "minRequests is the user's", MAX | {"minRequests": 3}, "Failed",
            "errorRate 1 (3 of 3) is above max 0.01", counters(3, 3),
        ),
        Case(
            "more errors than the stable version fail", RATIO, "Failed",
            "errorRate 0.1 (20 of 200) is above 2 times the stable version's 0.02 (4 of 200)",
            counters(200, 20), counters(200, 4),
        ),
        Case(
            "one error is none too many where the stable version has none", RATIO, "Passed",
            "errorRate 0.01 (1 of 100) is within bounds", counters(100, 1), counters(100),
        ),
        Case(
            "many errors are, and the message says what they were compared with", RATIO, "Failed",
            "errorRate 0.03 (3 of 100) is above 2 times the stable version's 0.01 (1 of 100), of which one error counts"
            " at least", counters(100, 3), counters(100),
        ),
        Case(
            "a few requests of the stable version are no measure", RATIO, "Inconclusive",
            "errorRate 0.03 (3 of 100) has 9 of 100 requests of the stable version to compare with",
            counters(100, 3), counters(9),
        ),
        Case(
            "no error needs no comparison", RATIO, "Passed",
            "errorRate 0 (0 of 100) is within bounds", counters(100),
        ),
        Case(
            "what is above max needs none either", {"errorRate": {"max": 0.02, "maxRatioToStable": 2}}, "Failed",
            "errorRate 0.03 (3 of 100) is above max 0.02", counters(100, 3),
        ),
        Case(
            "with all traffic at the candidate the max alone decides",
            {"errorRate": {"max": 0.1, "maxRatioToStable": 2}},
            "Passed",
            "errorRate 0.03 (3 of 100) has no requests of the stable version to be compared with",
            counters(100, 3),
        ),
        Case(
            "slow answers fail", P99, "Failed",
            "p99 812 ms is above max 200 ms", counters(100, ms=812), name=LATENCY,
        ),
        Case(
            "fast answers pass", P99, "Passed",
            "p99 200 ms is within bounds", counters(100, ms=200), name=LATENCY,
        ),
        Case(
            "times that Envoy does not tell yet are waited for", P99, "Inconclusive",
            "7 of 100 requests timed so far",
            Counters(500, 0, ((10.0, 7),)), name=LATENCY,
        ),
        Case(
            "slower than the stable version fails", P99_RATIO, "Failed",
            "p99 20 ms is above 1.5 times the stable version's 10 ms", counters(100, ms=20), counters(100, ms=10),
            name=LATENCY,
        ),
        Case(
            "a little slower passes", P99_RATIO, "Passed", "p99 14 ms is within bounds",
            counters(100, ms=14), counters(100, ms=10), name=LATENCY,
        ),
        Case(
            "a few times of the stable version are no measure", BOTH, "Inconclusive",
            "p99 20 ms has 99 of 100 requests of the stable version to compare with",
            counters(100, ms=20), counters(99, ms=10), name=LATENCY,
        ),
        Case(
            "without any the max alone decides", BOTH, "Passed",
            "p99 20 ms has no requests of the stable version to be compared with", counters(100, ms=20),
            name=LATENCY,
        ),
        Case(
            "a quantile is called what it is", {"latency": [{"quantile": 0.9999, "max": "5ms"}]}, "Failed",
            "p99.99 10 ms is above max 5 ms", counters(100), name="latency 0.9999",
        ),
        Case(
            "distributions that nobody told are waited for", INPUTS, "Inconclusive",
            "no figures yet", name="inputDistance",
        ),
        Case(
            "a few rows have no distance", INPUTS, "Inconclusive",
            "12 of the candidate and 200 of the stable version seen so far, and each needs 100",
            told=Distributions(inputs=sides({"a": 12}, {"a": 200})), name="inputDistance",
        ),
        Case(
            "the same inputs pass", INPUTS, "Passed",
            'inputDistance 0 (JensenShannon, column "lvr") is within max 0.2',
            told=Distributions(inputs=sides({"a": 100}, {"a": 200})), name="inputDistance",
        ),
        Case(
            "other inputs fail", INPUTS, "Failed",
            'inputDistance 1 (JensenShannon, column "lvr") is above max 0.2',
            told=Distributions(inputs=sides({"a": 100}, {"b": 200})), name="inputDistance",
        ),
        Case(
            "other predictions fail by the method that was asked for", PREDICTIONS, "Failed",
            'predictionDistance 0.416 (PSI, column "lvr") is above max 0.2',
            told=Distributions(predictions=sides({"a": 100, "b": 100}, {"a": 160, "b": 40})), name="predictionDistance",
        ),
        Case(
            "a distance that may be chance is waited for", INPUTS, "Inconclusive",
            'inputDistance 0.211 (JensenShannon, column "lvr") is above max 0.2, '
            "but 100 and 100 rows can be that far apart by chance",
            told=Distributions(inputs=sides({"a": 50, "b": 50}, {"a": 26, "b": 74})), name="inputDistance",
        ),
        Case(
            "rows without columns have no distance", INPUTS, "Inconclusive", "no column to compare",
            told=Distributions(inputs=Sides(Sample(200), Sample(200))), name="inputDistance",
        ),
        Case(
            "agreement that nobody told is waited for", AGREEMENT, "Inconclusive",
            "no figures yet", name="agreement",
        ),
        Case(
            "a few pairs do not agree yet", AGREEMENT, "Inconclusive",
            "9 of 100 mirrored requests compared so far",
            told=Distributions(pairs=Pairs(9, 1)), name="agreement",
        ),
        Case(
            "too few same answers fail", AGREEMENT, "Failed", "agreement 0.9 (90 of 100) is below min 0.95",
            told=Distributions(pairs=Pairs(100, 90)), name="agreement",
        ),
        Case(
            "enough same answers pass", AGREEMENT, "Passed", "agreement 0.95 (95 of 100) is at least 0.95",
            told=Distributions(pairs=Pairs(100, 95)), name="agreement",
        ),
    ],
    ids=lambda case: case.about,
)  # fmt: skip
def test_a_check(case: Case) -> None:
    result = judgement(case.spec, case.candidate, case.stable, Evidence(case.told))
    (check,) = result.checks
    assert (check.name, check.outcome, check.message) == (case.name, case.outcome, case.message)
    assert result.outcome == case.outcome


@pytest.mark.parametrize("spec", [INPUTS, PREDICTIONS, AGREEMENT], ids=lambda spec: next(iter(spec)))
@pytest.mark.parametrize(
    "told",
    [
        pytest.param(Distributions(), id="no figures"),
        pytest.param(
            Distributions(Sides(Sample(500), Sample(0)), Sides(Sample(500), Sample(0)), Pairs()),
            id="the candidate's alone",
        ),
    ],
)
def test_a_candidate_with_all_requests_waits_for_nothing_to_compare_with(
    spec: dict[str, Any], told: Distributions
) -> None:
    """No requests of the stable version will ever come, and the rollout would fail at its deadline."""
    analysis = Analysis.model_validate(spec)
    result = evaluate(analysis, Counters(), Counters(), Evidence(told), None, NOW, alone=True)
    assert result.outcome == "Passed"
    assert evaluate(analysis, Counters(), Counters(), Evidence(told), None, NOW).outcome == "Inconclusive"


@pytest.mark.parametrize("spec", [RATIO, P99_RATIO], ids=lambda spec: next(iter(spec)))
@pytest.mark.parametrize("strays", [0, 3], ids=["none", "a few"])
def test_a_candidate_with_all_requests_is_compared_with_what_the_stable_version_was_like(
    spec: dict[str, Any], strays: int
) -> None:
    """A bound by ratio alone had passed whatever a candidate answered, once it answered everybody."""
    analysis, bad = Analysis.model_validate(spec), counters(100, 100, ms=5000)
    alone = evaluate(analysis, bad, counters(strays), Evidence(), None, NOW, alone=True)
    assert alone.outcome == "Inconclusive"

    before = evaluate(analysis, counters(100), counters(100), Evidence(), None, NOW)
    first = evaluate(analysis, bad, counters(strays), Evidence(), before, NOW, alone=True)
    second = evaluate(analysis, bad, Counters(), Evidence(), first, NOW, alone=True)
    assert (before.outcome, first.outcome, second.outcome) == ("Passed", "Failed", "Failed")
    assert first.stable == second.stable == before.stable
    assert evaluate(analysis, counters(100), Counters(), Evidence(), first, NOW, alone=True).outcome == "Passed"


def found(name: str, outcome: Any) -> AnalysisCheckResult:
    return AnalysisCheckResult(name=name, outcome=outcome, message="so it is")


CHECKS: dict[str, Any] = {"checks": [{"name": name, "hook": {"url": "http://h"}} for name in ("a", "b", "c", "d")]}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["Passed", "Passed", "Passed", "Passed"], "Passed"),
        (["Passed", "Inconclusive", "Passed", "Passed"], "Inconclusive"),
        (["Passed", "Inconclusive", "Error", "Passed"], "Error"),
        (["Passed", "Inconclusive", "Error", "Failed"], "Failed"),
        (["Passed", "Passed", "Passed"], "Inconclusive"),
    ],
)
def test_the_worst_check_decides(outcomes: list[str], expected: str) -> None:
    custom = {name: found(name, outcome) for name, outcome in zip("abcd", outcomes, strict=False)}
    result = judgement(CHECKS, extra=Evidence(custom=custom))
    assert result.outcome == expected
    assert [check.name for check in result.checks] == ["a", "b", "c", "d"]


def test_a_check_without_an_answer_says_so() -> None:
    assert {check.message for check in judgement(CHECKS).checks} == {"no answer yet"}


@pytest.mark.parametrize(
    ("outcome", "failures", "passes"),
    [("Passed", 0, 4), ("Failed", 3, 3), ("Error", 2, 3), ("Inconclusive", 2, 3)],
)
def test_what_is_counted_on(outcome: str, failures: int, passes: int) -> None:
    """Failures in a row end with a pass alone: what could not be judged says nothing about them."""
    before = AnalysisResult(outcome="Failed", at=ago(minutes=1), failures=2, passes=3)
    spec = {"checks": [{"name": "a", "hook": {"url": "http://h"}}]}
    result = judgement(spec, extra=Evidence(custom={"a": found("a", outcome)}), before=before)
    assert (result.failures, result.passes) == (failures, passes)


def test_the_first_judgement() -> None:
    result = judgement(MAX, counters(100, 50))
    assert (result.failures, result.passes, result.at) == (1, 0, "2026-11-05T12:00:00Z")


def test_a_new_step_has_not_passed_yet() -> None:
    """And failures in a row are those of the attempt: a step that ends does not forgive them."""
    stepped = in_new_step(AnalysisResult(outcome="Failed", at=ago(minutes=1), failures=2, passes=3))
    assert stepped is not None
    assert (stepped.failures, stepped.passes) == (2, 0)
    assert in_new_step(None) is None


def test_figures_of_both_sides_are_kept() -> None:
    result = judgement(P99, counters(100, 1, ms=20), counters(50))
    assert (result.candidate.requests, result.candidate.errors, result.stable.requests) == (100, 1, 50)
    assert [one.milliseconds for one in result.candidate.latency] == [pytest.approx(20, abs=0.01)]
    assert judgement(P99).candidate.latency == []


@pytest.mark.parametrize(
    ("candidate", "custom", "ends"),
    [
        (counters(3), "Passed", False),
        (counters(100), "Passed", True),
        (counters(100, 50), "Passed", True),
        (counters(100), "Inconclusive", True),
        (counters(100), "Error", True),
    ],
)
def test_a_window_goes_on_while_there_is_too_little_in_it(candidate: Counters, custom: str, ends: bool) -> None:
    """Requests that were too few count for the next judgement; a check that has no answer stretches no window, or a
    candidate that begins to fail would be hidden by all that it did before.
    """
    spec = MAX | {"checks": [{"name": "a", "hook": {"url": "http://h"}}]}
    result = judgement(spec, candidate, extra=Evidence(custom={"a": found("a", custom)}))
    assert window_ends(Analysis.model_validate(spec), result) == ends


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_more_errors_never_make_a_judgement_better(requests: int, errors: int, more: int, stable: int) -> None:
    spec = {"errorRate": {"max": 0.1, "maxRatioToStable": 3}}
    few, many = sorted((min(errors, requests), min(more, requests)))
    better = ("Passed", "Inconclusive", "Failed")
    outcomes = [
        better.index(judgement(spec, counters(requests, count), counters(stable, stable // 10)).outcome)
        for count in (few, many)
    ]
    assert outcomes == sorted(outcomes)


@given(st.integers(0, 99), st.integers(0, 99))
def test_pairs_since(one: int, other: int) -> None:
    both = Pairs(one + other, one) + Pairs(2, 1)
    assert both.since(Pairs(2, 1)) == Pairs(one + other, one)
    assert Pairs(1, 1).since(Pairs(2, 1)) == Pairs(1, 1)
