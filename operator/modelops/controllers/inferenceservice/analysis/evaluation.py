"""Evaluation of a candidate at one moment: the results of all checks, and the outcome that follows. Pure."""

from collections.abc import Mapping
from datetime import datetime

from modelops.api.inferenceservice_status import (
    AnalysisCheckResult,
    AnalysisOutcome,
    AnalysisResult,
    Figures,
    LatencyFigure,
)
from modelops.api.rollout import Analysis
from modelops.controllers.inferenceservice.analysis.built_in_checks import Reference, built_in_checks
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evidence import Evidence
from modelops.controllers.inferenceservice.analysis.results import check_result
from modelops.machinery.conditions import format_timestamp

_SEVEREST_FIRST: tuple[AnalysisOutcome, ...] = ("Failed", "Error", "Inconclusive", "Passed")


def evaluate(
    spec: Analysis,
    candidate: Counters,
    stable: Counters,
    evidence: Evidence,
    previous: AnalysisResult | None,
    now: datetime,
    *,
    all_traffic: bool = False,
) -> AnalysisResult:
    """Return the analysis of a window.

    `candidate` and `stable` are the requests of the window. `previous` is the last analysis of the same attempt: its
    failures in a row and its passes are counted on.

    With `all_traffic` the candidate gets all requests. The candidate is then compared with the stable version's last
    figures, and no check waits for what only requests to both versions could show.
    """
    reference = _reference(spec, stable, previous if all_traffic else None)
    built_in = built_in_checks(spec, candidate, reference, evidence.distributions, all_traffic=all_traffic)
    checks = [*built_in, *_custom_checks(spec, evidence.custom)]
    outcomes = {check.outcome for check in checks}
    outcome = next((outcome for outcome in _SEVEREST_FIRST if outcome in outcomes), "Inconclusive")
    failures, passes = (previous.failures, previous.passes) if previous is not None else (0, 0)
    if outcome == "Failed":
        failures += 1
    elif outcome == "Passed":
        failures, passes = 0, passes + 1
    return AnalysisResult(
        outcome=outcome,
        at=format_timestamp(now),
        failures=failures,
        passes=passes,
        candidate=_figures(spec, candidate),
        stable=reference.figures,
        checks=checks,
    )


def window_ends(spec: Analysis, result: AnalysisResult) -> bool:
    """Return whether the next analysis gets a new window.

    While a built-in check is inconclusive the window goes on, so that its requests count for the next analysis. The
    user's own checks do not depend on the window.
    """
    custom = {check.name for check in spec.checks}
    return not any(check.outcome == "Inconclusive" for check in result.checks if check.name not in custom)


def in_new_step(result: AnalysisResult | None) -> AnalysisResult | None:
    """Return the last analysis as a new step begins with it: without passes, since none has passed in that step."""
    return None if result is None else result.model_copy(update={"passes": 0})


def _reference(spec: Analysis, stable: Counters, previous: AnalysisResult | None) -> Reference:
    """Return the window's figures of the stable version, or those of `previous` where the window has too few."""
    if previous is not None and stable.requests < spec.min_requests <= previous.stable.requests:
        return Reference(previous.stable, previous.stable.requests)
    return Reference(_figures(spec, stable), stable.timed)


def _custom_checks(spec: Analysis, results: Mapping[str, AnalysisCheckResult]) -> list[AnalysisCheckResult]:
    return [
        results.get(check.name) or check_result(check.name, "Inconclusive", "no result yet") for check in spec.checks
    ]


def _figures(spec: Analysis, counters: Counters) -> Figures:
    latency = [(bounds.quantile, counters.quantile(bounds.quantile)) for bounds in spec.latency]
    return Figures(
        requests=counters.requests,
        errors=counters.errors,
        latency=[
            LatencyFigure(quantile=quantile, milliseconds=round(milliseconds, 3))
            for quantile, milliseconds in latency
            if milliseconds is not None
        ],
    )
