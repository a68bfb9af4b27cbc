"""The judgement of a candidate: what each check finds, and what follows from all of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from modelops.api.durations import parse_duration
from modelops.api.inferenceservice_status import AnalysisResult, CheckResult, Figures, LatencyFigure, Outcome
from modelops.api.rollout import Agreement, Analysis, Distance, ErrorRate, Latency
from modelops.controllers.inferenceservice.analysis.distances import Seen, apart
from modelops.controllers.inferenceservice.analysis.envoy_stats import Counters
from modelops.machinery.conditions import format_timestamp

ERROR_RATE, INPUT_DISTANCE, PREDICTION_DISTANCE, AGREEMENT = (
    "errorRate",
    "inputDistance",
    "predictionDistance",
    "agreement",
)
_MOST_LETTERS = 1024
_ORDER: tuple[Outcome, ...] = ("Failed", "Error", "Inconclusive", "Passed")


@dataclass(frozen=True)
class Pairs:
    """Mirrored requests that both versions answered."""

    compared: int = 0
    agreed: int = 0
    """To how many of them the answers were the same."""

    def since(self, before: Self) -> "Pairs":
        """What came after `before`; all of it where a count has gone back, since then it has begun anew."""
        later = Pairs(self.compared - before.compared, self.agreed - before.agreed)
        return self if min(later.compared, later.agreed) < 0 else later

    def __add__(self, other: Self) -> "Pairs":
        return Pairs(self.compared + other.compared, self.agreed + other.agreed)


@dataclass(frozen=True)
class Sides:
    """What both versions were asked, or what they answered."""

    candidate: Seen
    stable: Seen


@dataclass(frozen=True)
class Distributions:
    """What the Pods' monitors tell of a window. What is None has not been told yet."""

    inputs: Sides | None = None
    predictions: Sides | None = None
    pairs: Pairs | None = None


@dataclass(frozen=True)
class Evidence:
    """What a judgement rests on besides the requests' figures."""

    distributions: Distributions = field(default_factory=Distributions)
    custom: Mapping[str, CheckResult] = field(default_factory=dict)
    """The last result of each of the user's own checks that has one, by its name."""


def judge(
    spec: Analysis,
    candidate: Counters,
    stable: Counters,
    extra: Evidence,
    before: AnalysisResult | None,
    now: datetime,
    *,
    alone: bool = False,
) -> AnalysisResult:
    """Judge a window. `before` is the last judgement of this attempt: failures in a row and passes are counted on.

    `alone`: the candidate gets all requests. It is compared with what the stable version was like when that had some
    last, and nothing is waited for that only requests of both could tell.
    """
    measure = _measure(spec, stable, before if alone else None)
    checks = [*_built_in(spec, candidate, measure, extra.distributions, alone), *_custom(spec, extra.custom)]
    found = {check.outcome for check in checks}
    outcome = next((one for one in _ORDER if one in found), "Inconclusive")
    failures, passes = (before.failures, before.passes) if before is not None else (0, 0)
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
        stable=measure.figures,
        checks=checks,
    )


@dataclass(frozen=True)
class _Measure:
    """What the stable version is like, which a candidate is compared with."""

    figures: Figures
    timed: int
    """How many of its requests it is known of how long they took."""

    def quantile(self, share: float) -> float | None:
        """Within how many milliseconds this share of the requests was answered; None without requests."""
        return next((one.milliseconds for one in self.figures.latency if one.quantile == share), None)


def _measure(spec: Analysis, stable: Counters, before: AnalysisResult | None) -> _Measure:
    """The window's, or that of the judgement `before` where the window has hardly any."""
    if before is not None and stable.requests < spec.min_requests <= before.stable.requests:
        return _Measure(before.stable, before.stable.requests)
    return _Measure(_figures(spec, stable), stable.timed)


def window_ends(spec: Analysis, result: AnalysisResult) -> bool:
    """Whether the next judgement rests on a window of its own. It does not while there is too little of what the Pods
    tell: then what there is counts for the next one. A check of the user's own says nothing about that.
    """
    own = {check.name for check in spec.checks}
    return not any(check.outcome == "Inconclusive" for check in result.checks if check.name not in own)


def in_new_step(result: AnalysisResult | None) -> AnalysisResult | None:
    """The last judgement as a new step begins with it: no judgement has passed in it yet."""
    return None if result is None else result.model_copy(update={"passes": 0})


def clipped(message: str) -> str:
    """A message no longer than the status takes."""
    return message if len(message) <= _MOST_LETTERS else message[: _MOST_LETTERS - 1] + "…"


def _built_in(
    spec: Analysis, candidate: Counters, stable: _Measure, told: Distributions, alone: bool
) -> list[CheckResult]:
    checks = []
    if spec.error_rate is not None:
        checks.append(_error_rate(spec.error_rate, spec.min_requests, candidate, stable.figures))
    checks += [_latency(one, spec.min_requests, candidate, stable) for one in spec.latency]
    if spec.input_distance is not None:
        checks.append(_distance(INPUT_DISTANCE, spec.input_distance, spec.min_requests, told.inputs, alone))
    if spec.prediction_distance is not None:
        least = spec.min_requests
        checks.append(_distance(PREDICTION_DISTANCE, spec.prediction_distance, least, told.predictions, alone))
    if spec.agreement is not None:
        checks.append(_agreement(spec.agreement, spec.min_requests, told.pairs, alone))
    return checks


def _custom(spec: Analysis, known: Mapping[str, CheckResult]) -> list[CheckResult]:
    return [known.get(check.name) or _inconclusive(check.name, "no answer yet") for check in spec.checks]


def _error_rate(bounds: ErrorRate, least: int, candidate: Counters, stable: Figures) -> CheckResult:
    share = candidate.error_rate
    if share is None or candidate.requests < least:
        return _inconclusive(ERROR_RATE, f"{candidate.requests} of {least} requests so far", share)
    said = f"errorRate {_number(share)} ({candidate.errors} of {candidate.requests})"
    if bounds.max is not None and share > bounds.max:
        return _failed(ERROR_RATE, f"{said} is above max {_number(bounds.max)}", share)
    ratio = bounds.max_ratio_to_stable
    if ratio is not None and candidate.errors:
        if stable.requests < least:
            return _too_few_stable(ERROR_RATE, said, bounds.max is not None, least, stable.requests, share)
        of_stable = max(stable.errors, 1) / stable.requests
        if share > ratio * of_stable:
            compared = f"{_number(of_stable)} ({max(stable.errors, 1)} of {stable.requests})"
            floor = ", of which one error counts at least" if not stable.errors else ""
            return _failed(
                ERROR_RATE, f"{said} is above {_number(ratio)} times the stable version's {compared}{floor}", share
            )
    return _passed(ERROR_RATE, f"{said} is within bounds", share)


def _latency(bounds: Latency, least: int, candidate: Counters, stable: _Measure) -> CheckResult:
    name = f"latency {bounds.quantile}"
    took = candidate.quantile(bounds.quantile)
    if took is None or candidate.timed < least:
        return _inconclusive(name, f"{candidate.timed} of {least} requests timed so far", took)
    said = f"p{100 * bounds.quantile:.6g} {_number(took)} ms"
    if bounds.max is not None:
        longest = parse_duration(bounds.max).total_seconds() * 1000
        if took > longest:
            return _failed(name, f"{said} is above max {_number(longest)} ms", took)
    ratio = bounds.max_ratio_to_stable
    if ratio is not None:
        of_stable = stable.quantile(bounds.quantile)
        if of_stable is None or stable.timed < least:
            return _too_few_stable(name, said, bounds.max is not None, least, stable.timed, took)
        if took > ratio * of_stable:
            return _failed(
                name, f"{said} is above {_number(ratio)} times the stable version's {_number(of_stable)} ms", took
            )
    return _passed(name, f"{said} is within bounds", took)


def _too_few_stable(name: str, said: str, bounded: bool, least: int, seen: int, value: float) -> CheckResult:
    """A stable version that gets no requests at all is no reason to wait where there is a bound that needs none of
    them.
    """
    if bounded and seen == 0:
        return _passed(name, f"{said} has no requests of the stable version to be compared with", value)
    return _inconclusive(name, f"{said} has {seen} of {least} requests of the stable version to compare with", value)


def _distance(name: str, bounds: Distance, least: int, sides: Sides | None, alone: bool) -> CheckResult:
    if alone and (sides is None or sides.stable.rows < least):
        return _passed(name, "the candidate gets all requests, so that there are none to compare its own with")
    if sides is None:
        return _inconclusive(name, "no figures yet")
    fewest = min(sides.candidate.rows, sides.stable.rows)
    if fewest < least:
        told = f"{sides.candidate.rows} of the candidate and {sides.stable.rows} of the stable version"
        return _inconclusive(name, f"{told} seen so far, and each needs {least}")
    columns = apart(sides.stable, sides.candidate, bounds.method)
    if not columns:
        return _inconclusive(name, "no column to compare")
    beyond = [one for one in columns if one.distance > bounds.max]
    sure = [one for one in beyond if one.distance > one.chance]
    found = (sure or columns)[0]
    said = f'{name} {_number(found.distance)} ({bounds.method}, column "{found.column}")'
    if sure:
        return _failed(name, f"{said} is above max {_number(bounds.max)}", found.distance)
    if beyond:
        few = f"{sides.candidate.rows} and {sides.stable.rows} rows can be that far apart by chance"
        return _inconclusive(name, f"{said} is above max {_number(bounds.max)}, but {few}", found.distance)
    return _passed(name, f"{said} is within max {_number(bounds.max)}", found.distance)


def _agreement(bounds: Agreement, least: int, pairs: Pairs | None, alone: bool) -> CheckResult:
    if alone and (pairs is None or pairs.compared < least):
        return _passed(AGREEMENT, "the candidate gets all requests, so that none are mirrored")
    if pairs is None:
        return _inconclusive(AGREEMENT, "no figures yet")
    if pairs.compared < least:
        return _inconclusive(AGREEMENT, f"{pairs.compared} of {least} mirrored requests compared so far")
    share = pairs.agreed / pairs.compared
    said = f"agreement {_number(share)} ({pairs.agreed} of {pairs.compared})"
    if share < bounds.min:
        return _failed(AGREEMENT, f"{said} is below min {_number(bounds.min)}", share)
    return _passed(AGREEMENT, f"{said} is at least {_number(bounds.min)}", share)


def _figures(spec: Analysis, counted: Counters) -> Figures:
    latency = [(one.quantile, counted.quantile(one.quantile)) for one in spec.latency]
    return Figures(
        requests=counted.requests,
        errors=counted.errors,
        latency=[
            LatencyFigure(quantile=share, milliseconds=round(took, 3)) for share, took in latency if took is not None
        ],
    )


def _number(value: float) -> str:
    """Three digits that count, and whole numbers as they are."""
    return f"{value:.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def _passed(name: str, message: str, value: float | None = None) -> CheckResult:
    return CheckResult(name=name, outcome="Passed", message=clipped(message), value=value)


def _failed(name: str, message: str, value: float | None = None) -> CheckResult:
    return CheckResult(name=name, outcome="Failed", message=clipped(message), value=value)


def _inconclusive(name: str, message: str, value: float | None = None) -> CheckResult:
    return CheckResult(name=name, outcome="Inconclusive", message=clipped(message), value=value)
