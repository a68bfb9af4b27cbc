"""Built-in checks: error rate, latency, distances and agreement, measured by the Pods. Pure.

A message has the candidate's figure, the counts behind the figure, and the bound, such as
`2.5% (10 of 400 requests), above 1%`. With too few requests a message has their number, such as
`83 of 100 requests so far`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisCheckResult, Figures
from modelops.api.rollout import Agreement, Analysis, Distance, ErrorRate, Latency
from modelops.controllers.inferenceservice.analysis.distances import column_distances
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.controllers.inferenceservice.analysis.evidence import Distributions, Pairs, Sides
from modelops.controllers.inferenceservice.analysis.results import check_result

ERROR_RATE = "errorRate"
INPUT_DISTANCE = "inputDistance"
PREDICTION_DISTANCE = "predictionDistance"
AGREEMENT = "agreement"


@dataclass(frozen=True)
class Reference:
    """Figures of the stable version, which the candidate's are compared with."""

    figures: Figures
    timed: int
    """Number of its requests whose duration is known."""

    def quantile(self, share: float) -> float | None:
        """Return the milliseconds within which this share of the requests was answered; None without requests."""
        return next((latency.milliseconds for latency in self.figures.latency if latency.quantile == share), None)


def built_in_checks(
    spec: Analysis, candidate: Counters, stable: Reference, distributions: Distributions, *, all_traffic: bool
) -> list[AnalysisCheckResult]:
    """Return the results of all built-in checks that the analysis asks for.

    With `all_traffic` the candidate gets all requests, so that the stable version cannot be measured beside it.
    """
    minimum, results = spec.min_requests, []
    if spec.error_rate is not None:
        results.append(_error_rate(spec.error_rate, minimum, candidate, stable.figures))
    results += [_latency(bounds, minimum, candidate, stable) for bounds in spec.latency]
    if spec.input_distance is not None:
        results.append(_distance(INPUT_DISTANCE, spec.input_distance, minimum, distributions.inputs, all_traffic))
    if spec.prediction_distance is not None:
        sides = distributions.predictions
        results.append(_distance(PREDICTION_DISTANCE, spec.prediction_distance, minimum, sides, all_traffic))
    if spec.agreement is not None:
        results.append(_agreement(spec.agreement, minimum, distributions.pairs, all_traffic))
    return results


def _error_rate(bounds: ErrorRate, minimum: int, candidate: Counters, stable: Figures) -> AnalysisCheckResult:
    rate, name = candidate.error_rate, ERROR_RATE
    if rate is None or candidate.requests < minimum:
        return check_result(name, "Inconclusive", f"{candidate.requests} of {minimum} requests so far", rate)
    figure, satisfied = f"{_percent(rate)} ({candidate.errors} of {candidate.requests} requests)", []
    if bounds.max is not None:
        if rate > bounds.max:
            return check_result(name, "Failed", f"{figure}, above {_percent(bounds.max)}", rate)
        satisfied.append(f"at most {_percent(bounds.max)}")
    ratio = bounds.max_ratio_to_stable
    if ratio is not None and candidate.errors:
        if stable.requests < minimum:
            return _too_few_stable(name, figure, satisfied, minimum, stable.requests, rate)
        # Without any error the stable version would allow the candidate none, by chance alone.
        stable_rate = max(stable.errors, 1) / stable.requests
        floor = "" if stable.errors else ", counted as 1"
        stable_figure = f"{_percent(stable_rate)} ({stable.errors} of {stable.requests} requests{floor})"
        if rate > ratio * stable_rate:
            return check_result(name, "Failed", f"{figure}, above {_number(ratio)} times stable {stable_figure}", rate)
        satisfied.append(f"at most {_number(ratio)} times stable {stable_figure}")
    return check_result(name, "Passed", _join(figure, satisfied), rate)


def _latency(bounds: Latency, minimum: int, candidate: Counters, stable: Reference) -> AnalysisCheckResult:
    name, milliseconds = f"latency {bounds.quantile}", candidate.quantile(bounds.quantile)
    if milliseconds is None or candidate.timed < minimum:
        return check_result(name, "Inconclusive", f"{candidate.timed} of {minimum} timed requests so far", milliseconds)
    figure, satisfied = f"{_number(milliseconds)} ms ({candidate.timed} requests)", []
    if bounds.max is not None:
        longest = parse_duration(bounds.max).total_seconds() * 1000
        if milliseconds > longest:
            return check_result(name, "Failed", f"{figure}, above {_number(longest)} ms", milliseconds)
        satisfied.append(f"at most {_number(longest)} ms")
    ratio = bounds.max_ratio_to_stable
    if ratio is not None:
        of_stable = stable.quantile(bounds.quantile)
        if of_stable is None or stable.timed < minimum:
            return _too_few_stable(name, figure, satisfied, minimum, stable.timed, milliseconds)
        limit = f"{_number(ratio)} times stable {_number(of_stable)} ms"
        if milliseconds > ratio * of_stable:
            return check_result(name, "Failed", f"{figure}, above {limit}", milliseconds)
        satisfied.append(f"at most {limit}")
    return check_result(name, "Passed", _join(figure, satisfied), milliseconds)


def _too_few_stable(
    name: str, figure: str, satisfied: list[str], minimum: int, requests: int, value: float
) -> AnalysisCheckResult:
    """Return the result of a comparison with a stable version that has too few requests.

    Without any request of the stable version an absolute bound decides alone: waiting would not help.
    """
    if satisfied and requests == 0:
        return check_result(name, "Passed", f"{_join(figure, satisfied)}; no stable requests to compare with", value)
    message = f"{figure}; {requests} of {minimum} stable requests so far to compare with"
    return check_result(name, "Inconclusive", message, value)


def _distance(name: str, bounds: Distance, minimum: int, sides: Sides | None, all_traffic: bool) -> AnalysisCheckResult:
    if all_traffic and (sides is None or sides.stable.rows < minimum):
        return check_result(name, "Passed", "nothing to compare with: the candidate gets all traffic")
    if sides is None:
        return check_result(name, "Inconclusive", "no reports of the monitors yet")
    rows = f"{sides.candidate.rows} candidate and {sides.stable.rows} stable rows"
    if min(sides.candidate.rows, sides.stable.rows) < minimum:
        return check_result(name, "Inconclusive", f"{rows} so far, {minimum} of each needed")
    columns = column_distances(sides.stable, sides.candidate, bounds.method)
    if not columns:
        return check_result(name, "Inconclusive", f"no column to compare in {rows}")
    above = [column for column in columns if column.distance > bounds.max]
    significant = [column for column in above if column.distance > column.noise]
    worst = (significant or columns)[0]
    figure = f'{_number(worst.distance)} ({bounds.method}, column "{worst.column}")'
    if significant:
        return check_result(name, "Failed", f"{figure}, above {_number(bounds.max)}", worst.distance)
    if above:
        message = f"{figure}, above {_number(bounds.max)} but within the sampling noise of {rows}"
        return check_result(name, "Inconclusive", message, worst.distance)
    return check_result(name, "Passed", f"{figure}, at most {_number(bounds.max)}", worst.distance)


def _agreement(bounds: Agreement, minimum: int, pairs: Pairs | None, all_traffic: bool) -> AnalysisCheckResult:
    name = AGREEMENT
    if all_traffic and (pairs is None or pairs.compared < minimum):
        return check_result(name, "Passed", "no mirrored requests: the candidate gets all traffic")
    if pairs is None:
        return check_result(name, "Inconclusive", "no reports of the monitors yet")
    if pairs.compared < minimum:
        return check_result(name, "Inconclusive", f"{pairs.compared} of {minimum} mirrored requests compared so far")
    share = pairs.agreed / pairs.compared
    figure = f"{_percent(share)} ({pairs.agreed} of {pairs.compared} mirrored requests)"
    if share < bounds.min:
        return check_result(name, "Failed", f"{figure}, below {_percent(bounds.min)}", share)
    return check_result(name, "Passed", f"{figure}, at least {_percent(bounds.min)}", share)


def _join(figure: str, satisfied: Iterable[str]) -> str:
    bounds = " and ".join(satisfied)
    return f"{figure}, {bounds}" if bounds else figure


def _percent(share: float) -> str:
    return f"{_number(100 * share)}%"


def _number(value: float) -> str:
    """Return three significant digits, and whole numbers as they are."""
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"
