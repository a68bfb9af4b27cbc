"""What is printed. Pure."""

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
_SHOWN = ("Ready", "Stalled", "RolledBack")


def rollout(service: InferenceService, now: datetime) -> list[str]:
    """All of a rollout, as it stands now."""
    status, metadata = service.status, service.metadata
    lines = [_row("Service", f"{metadata.name} in {metadata.namespace}")]
    if not status.conditions:
        lines.append(_row("Ready", "Unknown  the operator has not looked at it yet"))
    lines += [_row(one.type, f"{one.status}  {one.reason}: {one.message}") for one in _conditions(service)]
    if status.url:
        lines.append(_row("URL", status.url))
    if status.stable is not None:
        lines.append(_row("Stable", f"{status.stable.version}  {_pods(status.stable)}"))
    if status.candidate is not None:
        lines += _candidate(service, status.candidate, now)
    for one in status.failed:
        lines.append(_row("Failed", f"{one.version}  {_ended(one)}, {_ago(one.at, now)}"))
        lines.append(_row("", f"{one.reason}: {one.message}"))
        lines += _checks(one.analysis)
    return lines


def changes(service: InferenceService) -> list[str]:
    """What is worth a line when it becomes so. Nothing in it changes by time alone."""
    status = service.status
    lines = [f"{one.type} {one.status}  {one.reason}: {one.message}" for one in _conditions(service)]
    if status.stable is not None:
        lines.append(f"stable {status.stable.version}: {_pods(status.stable)}")
    candidate = status.candidate
    if candidate is not None:
        of = f"candidate {candidate.version}"
        lines.append(f"{of}: step {_step(service, candidate)}; {_pods(candidate)}")
        if waits := _waits(service, None):
            lines.append(f"{of}: hold {waits}")
        if candidate.problem:
            lines.append(f"{of}: {candidate.problem}")
        if candidate.analysis is not None:
            lines += [f"{of}: {one.name} {one.outcome}: {one.message}" for one in candidate.analysis.checks]
    lines += [f"failed {one.version}: {_ended(one)}: {one.reason}: {one.message}" for one in status.failed]
    return lines


def stamped(lines: Iterable[str], now: datetime) -> list[str]:
    """Lines with the time of day, in UTC."""
    return [f"{now.astimezone(UTC):%H:%M:%SZ}  {line}" for line in lines]


def lineage(links: Iterable[Link]) -> list[str]:
    """A chain, each link below what was made of it."""
    return [("" if depth == 0 else "  " * depth + "└ ") + f"{kind:<13} {words}" for depth, kind, words in links]


def _candidate(service: InferenceService, candidate: CandidateVersion, now: datetime) -> list[str]:
    lines = [
        _row("Candidate", f"{candidate.version}  {_pods(candidate)}"),
        _row("  since", f"{candidate.since}, {_ago(candidate.since, now)}"),
        _row("  step", _step(service, candidate)),
    ]
    if waits := _waits(service, now):
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
    width = max((len(one.name) for one in checks), default=0)
    return [_row("", _check(one, width)) for one in checks]


def _check(one: AnalysisCheckResult, width: int) -> str:
    return f"{one.outcome:<12}  {one.name:<{width}}  {one.message}"


def _figures(figures: Figures) -> str:
    times = "".join(f", p{100 * one.quantile:g} {one.milliseconds:g} ms" for one in figures.latency)
    return f"{figures.requests:,} requests, {figures.errors:,} errors{times}"


def _step(service: InferenceService, candidate: CandidateVersion) -> str:
    if is_rolling_update(service):
        return "Pod by Pod"
    if candidate.step == 0:
        return f"before the first of {candidate.steps}, until its Pods are ready"
    share = f"{candidate.weight}% of the requests"
    if candidate.step > candidate.steps:
        return f"behind the last of {candidate.steps}, {share} until all of its Pods are ready"
    return f"{candidate.step} of {candidate.steps}, {share}"


def _waits(service: InferenceService, now: datetime | None) -> str:
    """What the step waits for. Without a time, what is left of it is not said."""
    name, candidate, held = service.metadata.name, service.status.candidate, hold(service)
    if candidate is None:
        return ""
    if paused(service):
        return f"paused, until it is resumed: kubectl modelops rollout resume {name}"
    if held is None:
        return ""
    if candidate.step_since is None:
        return "not begun: the traffic has not been seen to follow yet"
    by_hand = f"kubectl modelops rollout promote {name}" if held.person else ""
    if held.until is None:
        return f"until a person promotes: {by_hand}"
    words = f"until {held.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if now is not None:
        left = held.until - now
        words += f", {format_duration(left)} left" if left.total_seconds() > 0 else ", which is over"
    return f"{words}, then until a person promotes: {by_hand}" if by_hand else words


def _pods(version: ServingVersion | CandidateVersion) -> str:
    revision = f"revision {version.revision}, " if version.revision else ""
    return f"{revision}{version.ready} of {version.replicas} Pods answer"


def _ended(one: FailedVersion) -> str:
    return f"in step {one.step} with {one.weight}% of the requests" if one.step else "before its first step"


def _conditions(service: InferenceService) -> list[Condition]:
    """Those worth a line: Stalled says mostly what Ready says."""
    shown: list[Condition] = []
    for type_ in _SHOWN:
        for one in service.status.conditions:
            if one.type == type_ and all((one.reason, one.message) != (seen.reason, seen.message) for seen in shown):
                shown.append(one)
    return shown


def _ago(moment: str, now: datetime) -> str:
    # The cluster's clock may be ahead of this one.
    return f"{format_duration(max(now - datetime.fromisoformat(moment), timedelta(0)))} ago"


def _row(name: str, words: str) -> str:
    return f"{name:<{_WIDTH}}" + words.strip().replace("\n", "\n" + " " * _WIDTH)
