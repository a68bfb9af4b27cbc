"""Results of checks, and how conditions and Events word them. Pure."""

from collections.abc import Iterable

from modelops.api.inferenceservice_status import AnalysisCheckResult, AnalysisOutcome

_MAX_CHARACTERS = 1024


def check_result(name: str, outcome: AnalysisOutcome, message: str, value: float | None = None) -> AnalysisCheckResult:
    """Return the result of a check, its message cut to the length that the status takes."""
    if len(message) > _MAX_CHARACTERS:
        message = message[: _MAX_CHARACTERS - 1] + "…"
    return AnalysisCheckResult(name=name, outcome=outcome, message=message, value=value)


def describe_checks(checks: Iterable[AnalysisCheckResult], outcome: AnalysisOutcome) -> str:
    """Return the checks with this outcome as one sentence, such as `errorRate: 2.5% (10 of 400 requests), above 1%`."""
    return "; ".join(f"{check.name}: {check.message}" for check in checks if check.outcome == outcome)
