"""Text that the commands print. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from modelops.api.durations import format_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import (
    AnalysisCheckResult,
    AnalysisResult,
    CandidateVersion,
    FailedVersion,
    Figures,
    ServingVersion,
)
from modelops.api.types import Condition
from modelops.cli.lineage import Link
from modelops.cli.rollout_state import hold, is_rolling_update, paused

_WIDTH = 14
_CONDITIONS = ("Ready", "Stalled", "RolledBack")


def rollout(service: InferenceService, now: datetime) -> list[str]:
    """Return the lines of `rollout status`."""
    status, metadata = service.status, service.metadata
    lines = [_row("Service", f"{metadata.name} in {metadata.namespace}")]
    if not status.conditions:
        lines.append(_row("Ready", "Unknown  not reconciled by the operator yet"))
    for condition in _conditions(service):
        lines.append(_row(condition.type, f"{condition.status}  {condition.reason}: {condition.message}"))
    if status.url:
        lines.append(_row("URL", status.url))
    if status.stable is not None:
        lines.append(_row("Stable", f"{status.stable.version}  {_pods(status.stable)}"))
    if status.candidate is not None:
        lines += _candidate(service, status.candidate, now)
    for failed in status.failed:
        lines.append(_row("Failed", f"{failed.version}  {_where_failed(failed)}, {_ago(failed.at, now)}"))
        lines.append(_row("", f"{failed.reason}: {failed.message}"))
        lines += _checks(failed.analysis)
    return lines


def changes(service: InferenceService) -> list[str]:
    """Return the lines of which a watch prints new ones. None of them changes by time alone."""
    status = service.status
    lines = [
        f"{condition.type} {condition.status}  {condition.reason}: {condition.message}"
        for condition in _conditions(service)
    ]
    if status.stable is not None:
        lines.append(f"stable {status.stable.version}: {_pods(status.stable)}")
    candidate = status.candidate
    if candidate is not None:
        prefix = f"candidate {candidate.version}"
        lines.append(f"{prefix}: step {_step(service, candidate)}; {_pods(candidate)}")
        if waits := _hold(service, None):
            lines.append(f"{prefix}: hold {waits}")
        if candidate.problem:
            lines.append(f"{prefix}: {candidate.problem}")
        if candidate.analysis is not None:
            lines += [f"{prefix}: {check.outcome} {check.name}: {check.message}" for check in candidate.analysis.checks]
    lines += [
        f"failed {failed.version}: {_where_failed(failed)}: {failed.reason}: {failed.message}"
        for failed in status.failed
    ]
    return lines


def stamped(lines: Iterable[str], now: datetime) -> list[str]:
    """Return the lines with the time of day in UTC."""
    return [f"{now.astimezone(UTC):%H:%M:%SZ}  {line}" for line in lines]


def lineage(links: Iterable[Link]) -> list[str]:
    """Return the lines of a lineage, each object below the one made from it."""
    return [
        ("" if link.depth == 0 else "  " * link.depth + "└ ") + f"{link.kind:<13} {link.description}" for link in links
    ]


def _candidate(service: InferenceService, candidate: CandidateVersion, now: datetime) -> list[str]:
    lines = [
        _row("Candidate", f"{candidate.version}  {_pods(candidate)}"),
        _row("  since", f"{candidate.since}, {_ago(candidate.since, now)}"),
        _row("  step", _step(service, candidate)),
    ]
    if waits := _hold(service, now):
        lines.append(_row("  hold", waits))
    if candidate.problem:
        lines.append(_row("  problem", candidate.problem))
    if analysis := candidate.analysis:
        counts = f"{analysis.passes} passed in this step, {analysis.failures} failed in a row"
        lines.append(_row("  analysis", f"{analysis.outcome}  {_ago(analysis.at, now)}; {counts}"))
        lines.append(_row("", f"candidate  {_figures(analysis.candidate)}"))
        lines.append(_row("", f"stable     {_figures(analysis.stable)}"))
        lines += _checks(analysis)
    return lines


def _checks(analysis: AnalysisResult | None) -> list[str]:
    checks = analysis.checks if analysis is not None else []
    width = max((len(check.name) for check in checks), default=0)
    return [_row("", _check(check, width)) for check in checks]


def _check(check: AnalysisCheckResult, width: int) -> str:
    return f"{check.outcome:<12}  {check.name:<{width}}  {check.message}"


def _figures(figures: Figures) -> str:
    latency = "".join(f", p{100 * figure.quantile:g} {figure.milliseconds:g} ms" for figure in figures.latency)
    return f"{figures.requests:,} requests, {figures.errors:,} errors{latency}"


def _step(service: InferenceService, candidate: CandidateVersion) -> str:
    if is_rolling_update(service):
        return "none (rolling update)"
    if candidate.step == 0:
        return f"0/{candidate.steps}: waiting for ready Pods"
    weight = f"({candidate.weight}% of traffic)"
    if candidate.step > candidate.steps:
        return f"{candidate.steps}/{candidate.steps} {weight} done: waiting for ready Pods"
    return f"{candidate.step}/{candidate.steps} {weight}"


def _hold(service: InferenceService, now: datetime | None) -> str:
    """Return what the step waits for. Without a time, the remaining time is left out."""
    name, candidate, step_hold = service.metadata.name, service.status.candidate, hold(service)
    if candidate is None:
        return ""
    if paused(service):
        return f"paused; to resume: kubectl modelops rollout resume {name}"
    if step_hold is None:
        return ""
    if candidate.step_since is None:
        return "not started: waiting for the traffic to shift"
    promotion = f"until promoted: kubectl modelops rollout promote {name}" if step_hold.person else ""
    if step_hold.until is None:
        return promotion
    words = f"until {step_hold.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if now is not None:
        left = step_hold.until - now
        words += f" ({format_duration(left)} left)" if left.total_seconds() > 0 else " (over)"
    return f"{words}, then {promotion}" if promotion else words


def _pods(version: ServingVersion | CandidateVersion) -> str:
    revision = f"revision {version.revision}, " if version.revision else ""
    return f"{revision}{version.ready}/{version.replicas} Pods ready"


def _where_failed(failed: FailedVersion) -> str:
    return f"in step {failed.step} ({failed.weight}% of traffic)" if failed.step else "before step 1"


def _conditions(service: InferenceService) -> list[Condition]:
    """Return the conditions to print. Of several with the same reason and message, only the first."""
    printed: list[Condition] = []
    for type_ in _CONDITIONS:
        for condition in service.status.conditions:
            is_new = all((condition.reason, condition.message) != (other.reason, other.message) for other in printed)
            if condition.type == type_ and is_new:
                printed.append(condition)
    return printed


def _ago(moment: str, now: datetime) -> str:
    # The cluster's clock may be ahead of the local one.
    return f"{format_duration(max(now - datetime.fromisoformat(moment), timedelta(0)))} ago"


def _row(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}" + text.strip().replace("\n", "\n" + " " * _WIDTH)
