"""Built-in checks: the outcome of each, and a message with the figures that led to the outcome."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import pytest

from modelops.api.inferenceservice_status import AnalysisOutcome
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.distances import ColumnCounts, Sample
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evaluation import evaluate
from modelops.controllers.inferenceservice.analysis.evidence import Distributions, Evidence, Pairs, Sides
from support.builders.analyses import counters
from support.builders.common import NOW


@dataclass(frozen=True)
class Case:
    """An analysis with one check, the evidence for it, and the expected result."""

    about: str
    _: KW_ONLY
    spec: dict[str, Any]
    candidate: Counters = field(default_factory=Counters)
    stable: Counters = field(default_factory=Counters)
    distributions: Distributions = field(default_factory=Distributions)
    outcome: AnalysisOutcome
    message: str


def assert_check(name: str, case: Case) -> None:
    analysis, evidence = Analysis.model_validate(case.spec), Evidence(case.distributions)
    result = evaluate(analysis, case.candidate, case.stable, evidence, None, NOW)
    (check,) = result.checks
    assert (check.name, check.outcome, check.message) == (name, case.outcome, case.message)
    assert result.outcome == case.outcome


def sides(*, candidate: dict[str, int], stable: dict[str, int]) -> Sides:
    """Return samples with these counts of labels in the column `lvr`."""
    return Sides(candidate=_sample(candidate), stable=_sample(stable))


def _sample(labels: dict[str, int]) -> Sample:
    return Sample(sum(labels.values()), {"lvr": ColumnCounts(labels=labels)})


MAX_1_PERCENT = {"errorRate": {"max": 0.01}}
TWICE_STABLE = {"errorRate": {"maxRatioToStable": 2}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "no requests are inconclusive",
            spec=MAX_1_PERCENT,
            outcome="Inconclusive",
            message="0 of 100 requests so far",
        ),
        Case(
            "fewer requests than minRequests are inconclusive even if all of them failed",
            spec=MAX_1_PERCENT,
            candidate=counters(requests=3, errors=3),
            outcome="Inconclusive",
            message="3 of 100 requests so far",
        ),
        Case(
            "an error rate above max fails",
            spec=MAX_1_PERCENT,
            candidate=counters(requests=116, errors=5),
            outcome="Failed",
            message="4.31% (5 of 116 requests), above 1%",
        ),
        Case(
            "an error rate equal to max passes",
            spec=MAX_1_PERCENT,
            candidate=counters(requests=100, errors=1),
            outcome="Passed",
            message="1% (1 of 100 requests), at most 1%",
        ),
        Case(
            "no errors pass a max of 0",
            spec={"errorRate": {"max": 0}},
            candidate=counters(requests=100),
            outcome="Passed",
            message="0% (0 of 100 requests), at most 0%",
        ),
        Case(
            "minRequests of the spec replaces the default of 100",
            spec=MAX_1_PERCENT | {"minRequests": 3},
            candidate=counters(requests=3, errors=3),
            outcome="Failed",
            message="100% (3 of 3 requests), above 1%",
        ),
        Case(
            "an error rate above the ratio to the stable version fails",
            spec=TWICE_STABLE,
            candidate=counters(requests=200, errors=20),
            stable=counters(requests=200, errors=4),
            outcome="Failed",
            message="10% (20 of 200 requests), above 2 times stable 2% (4 of 200 requests)",
        ),
        Case(
            "one error passes the ratio to a stable version without errors",
            spec=TWICE_STABLE,
            candidate=counters(requests=100, errors=1),
            stable=counters(requests=100),
            outcome="Passed",
            message="1% (1 of 100 requests), at most 2 times stable 1% (0 of 100 requests, counted as 1)",
        ),
        Case(
            "three errors fail the ratio to a stable version without errors",
            spec=TWICE_STABLE,
            candidate=counters(requests=100, errors=3),
            stable=counters(requests=100),
            outcome="Failed",
            message="3% (3 of 100 requests), above 2 times stable 1% (0 of 100 requests, counted as 1)",
        ),
        Case(
            "too few stable requests to compare with are inconclusive",
            spec=TWICE_STABLE,
            candidate=counters(requests=100, errors=3),
            stable=counters(requests=9),
            outcome="Inconclusive",
            message="3% (3 of 100 requests); 9 of 100 stable requests so far to compare with",
        ),
        Case(
            "no errors pass any ratio without a comparison",
            spec=TWICE_STABLE,
            candidate=counters(requests=100),
            outcome="Passed",
            message="0% (0 of 100 requests)",
        ),
        Case(
            "an error rate above max fails without a comparison",
            spec={"errorRate": {"max": 0.02, "maxRatioToStable": 2}},
            candidate=counters(requests=100, errors=3),
            outcome="Failed",
            message="3% (3 of 100 requests), above 2%",
        ),
        Case(
            "without any stable request max decides alone",
            spec={"errorRate": {"max": 0.1, "maxRatioToStable": 2}},
            candidate=counters(requests=100, errors=3),
            outcome="Passed",
            message="3% (3 of 100 requests), at most 10%; no stable requests to compare with",
        ),
        Case(
            "a rate within max and within the ratio passes with both bounds in the message",
            spec={"errorRate": {"max": 0.1, "maxRatioToStable": 2}},
            candidate=counters(requests=100, errors=3),
            stable=counters(requests=100, errors=2),
            outcome="Passed",
            message="3% (3 of 100 requests), at most 10% and at most 2 times stable 2% (2 of 100 requests)",
        ),
    ],
    ids=lambda case: case.about,
)
def test_error_rate(case: Case) -> None:
    assert_check("errorRate", case)


P99_200_MS = {"latency": [{"quantile": 0.99, "max": "200ms"}]}
P99_RATIO = {"latency": [{"quantile": 0.99, "maxRatioToStable": 1.5}]}
P99_BOTH = {"latency": [{"quantile": 0.99, "max": "200ms", "maxRatioToStable": 1.5}]}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "a latency above max fails",
            spec=P99_200_MS,
            candidate=counters(requests=100, milliseconds=812),
            outcome="Failed",
            message="812 ms (100 requests), above 200 ms",
        ),
        Case(
            "a latency equal to max passes",
            spec=P99_200_MS,
            candidate=counters(requests=100, milliseconds=200),
            outcome="Passed",
            message="200 ms (100 requests), at most 200 ms",
        ),
        Case(
            "requests whose duration Envoy has not published yet are inconclusive",
            spec=P99_200_MS,
            candidate=Counters(requests=500, errors=0, buckets=((10.0, 7),)),
            outcome="Inconclusive",
            message="7 of 100 timed requests so far",
        ),
        Case(
            "a latency above the ratio to the stable version fails",
            spec=P99_RATIO,
            candidate=counters(requests=100, milliseconds=20),
            stable=counters(requests=100, milliseconds=10),
            outcome="Failed",
            message="20 ms (100 requests), above 1.5 times stable 10 ms",
        ),
        Case(
            "a latency within the ratio to the stable version passes",
            spec=P99_RATIO,
            candidate=counters(requests=100, milliseconds=14),
            stable=counters(requests=100, milliseconds=10),
            outcome="Passed",
            message="14 ms (100 requests), at most 1.5 times stable 10 ms",
        ),
        Case(
            "too few stable requests to compare with are inconclusive",
            spec=P99_BOTH,
            candidate=counters(requests=100, milliseconds=20),
            stable=counters(requests=99, milliseconds=10),
            outcome="Inconclusive",
            message="20 ms (100 requests); 99 of 100 stable requests so far to compare with",
        ),
        Case(
            "without any stable request max decides alone",
            spec=P99_BOTH,
            candidate=counters(requests=100, milliseconds=20),
            outcome="Passed",
            message="20 ms (100 requests), at most 200 ms; no stable requests to compare with",
        ),
    ],
    ids=lambda case: case.about,
)
def test_latency(case: Case) -> None:
    assert_check("latency 0.99", case)


def test_a_latency_check_has_its_quantile_in_its_name() -> None:
    case = Case(
        "p99.99 above max",
        spec={"latency": [{"quantile": 0.9999, "max": "5ms"}]},
        candidate=counters(requests=100, milliseconds=10),
        outcome="Failed",
        message="10 ms (100 requests), above 5 ms",
    )
    assert_check("latency 0.9999", case)


INPUT_DISTANCE = {"inputDistance": {"max": 0.2}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "no report of a monitor is inconclusive",
            spec=INPUT_DISTANCE,
            outcome="Inconclusive",
            message="no reports of the monitors yet",
        ),
        Case(
            "fewer rows of either version than minRequests are inconclusive",
            spec=INPUT_DISTANCE,
            distributions=Distributions(inputs=sides(candidate={"a": 12}, stable={"a": 200})),
            outcome="Inconclusive",
            message="12 candidate and 200 stable rows so far, 100 of each needed",
        ),
        Case(
            "equal distributions pass",
            spec=INPUT_DISTANCE,
            distributions=Distributions(inputs=sides(candidate={"a": 100}, stable={"a": 200})),
            outcome="Passed",
            message='0 (JensenShannon, column "lvr"), at most 0.2',
        ),
        Case(
            "a distance above max fails",
            spec=INPUT_DISTANCE,
            distributions=Distributions(inputs=sides(candidate={"a": 100}, stable={"b": 200})),
            outcome="Failed",
            message='1 (JensenShannon, column "lvr"), above 0.2',
        ),
        Case(
            "a distance above max that chance can explain is inconclusive",
            spec=INPUT_DISTANCE,
            distributions=Distributions(inputs=sides(candidate={"a": 50, "b": 50}, stable={"a": 26, "b": 74})),
            outcome="Inconclusive",
            message='0.211 (JensenShannon, column "lvr"), above 0.2 but within the sampling noise of 100 candidate'
            " and 100 stable rows",
        ),
        Case(
            "rows without columns are inconclusive",
            spec=INPUT_DISTANCE,
            distributions=Distributions(inputs=Sides(candidate=Sample(200), stable=Sample(300))),
            outcome="Inconclusive",
            message="no column to compare in 200 candidate and 300 stable rows",
        ),
    ],
    ids=lambda case: case.about,
)
def test_input_distance(case: Case) -> None:
    assert_check("inputDistance", case)


def test_prediction_distance_uses_the_method_of_the_spec() -> None:
    case = Case(
        "PSI above max",
        spec={"predictionDistance": {"max": 0.2, "method": "PSI"}},
        distributions=Distributions(predictions=sides(candidate={"a": 100, "b": 100}, stable={"a": 160, "b": 40})),
        outcome="Failed",
        message='0.416 (PSI, column "lvr"), above 0.2',
    )
    assert_check("predictionDistance", case)


AGREEMENT = {"agreement": {"min": 0.95}}


@pytest.mark.parametrize(
    "case",
    [
        Case(
            "no report of a monitor is inconclusive",
            spec=AGREEMENT,
            outcome="Inconclusive",
            message="no reports of the monitors yet",
        ),
        Case(
            "fewer compared requests than minRequests are inconclusive",
            spec=AGREEMENT,
            distributions=Distributions(pairs=Pairs(compared=9, agreed=1)),
            outcome="Inconclusive",
            message="9 of 100 mirrored requests compared so far",
        ),
        Case(
            "an agreement below min fails",
            spec=AGREEMENT,
            distributions=Distributions(pairs=Pairs(compared=100, agreed=90)),
            outcome="Failed",
            message="90% (90 of 100 mirrored requests), below 95%",
        ),
        Case(
            "an agreement equal to min passes",
            spec=AGREEMENT,
            distributions=Distributions(pairs=Pairs(compared=100, agreed=95)),
            outcome="Passed",
            message="95% (95 of 100 mirrored requests), at least 95%",
        ),
    ],
    ids=lambda case: case.about,
)
def test_agreement(case: Case) -> None:
    assert_check("agreement", case)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (INPUT_DISTANCE, "nothing to compare with: the candidate gets all traffic"),
        (
            {"predictionDistance": {"max": 0.2, "method": "PSI"}},
            "nothing to compare with: the candidate gets all traffic",
        ),
        (AGREEMENT, "no mirrored requests: the candidate gets all traffic"),
    ],
    ids=["inputDistance", "predictionDistance", "agreement"],
)
@pytest.mark.parametrize(
    "distributions",
    [
        pytest.param(Distributions(), id="no reports"),
        pytest.param(
            Distributions(
                inputs=Sides(candidate=Sample(500), stable=Sample(0)),
                predictions=Sides(candidate=Sample(500), stable=Sample(0)),
                pairs=Pairs(),
            ),
            id="reports of the candidate alone",
        ),
    ],
)
def test_a_candidate_with_all_traffic_does_not_wait_for_a_comparison(
    spec: dict[str, Any], message: str, distributions: Distributions
) -> None:
    """No request will reach the stable version, and the rollout would fail at its deadline."""
    analysis, evidence = Analysis.model_validate(spec), Evidence(distributions)
    result = evaluate(analysis, Counters(), Counters(), evidence, None, NOW, all_traffic=True)
    assert (result.outcome, result.checks[0].message) == ("Passed", message)
    assert evaluate(analysis, Counters(), Counters(), evidence, None, NOW).outcome == "Inconclusive"
