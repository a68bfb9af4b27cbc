"""When a source is probed next, and by whom: the operator, or a Job. Pure."""

from datetime import UTC, datetime, timedelta

from modelops.api.annotations import REFRESH
from modelops.api.dataset import Dataset
from modelops.api.durations import parse_duration
from modelops.controllers.dataset.probe_result import ProbeResult, SecretNotReadable, SourceProblem
from modelops.machinery.conditions import parse_timestamp
from modelops.store.listing import TooManyObjects

SOON = timedelta(seconds=30)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_REFRESH = 1024


def next_probe_at(
    dataset: Dataset, last: ProbeResult | None, *, job_expected: bool, least_interval: timedelta = timedelta()
) -> datetime | None:
    """Return when the source is probed next; None for a suspended Dataset and while a Job's end is awaited.

    `last` is the operator's last probe with this spec; `job_expected`: a snapshot Job or a probe Job has not been
    evaluated yet. `least_interval` is that of the chart, which a shorter interval of the spec does not undercut.
    """
    if dataset.spec.suspend or job_expected:
        return None
    if refresh_requested(dataset) is not None:
        return _LONG_AGO
    if probed_by_job(dataset, last):
        return _next_by_job(dataset, last, least_interval)
    if last is None:
        return _LONG_AGO
    return _next_in_process(dataset, last, least_interval)


def refresh_requested(dataset: Dataset) -> str | None:
    """Return the value of the annotation that requests a probe now; None if the operator has acted on that value."""
    value = dataset.metadata.annotations.get(REFRESH, "")[:_LONGEST_REFRESH]
    return value if value and value != dataset.status.last_handled_refresh else None


def probed_by_job(dataset: Dataset, last: ProbeResult | None) -> bool:
    """Return whether a Job, not the operator, finds out what the source holds, given the operator's last probe."""
    return known_to_need_job(dataset) or (
        last is not None and isinstance(last.outcome, TooManyObjects | SecretNotReadable)
    )


def needs_probe_job(dataset: Dataset, last: ProbeResult | None) -> bool:
    """Return whether a Job does the next probe.

    A source with too many objects needs one Job; once that Job has ended the operator counts the objects again.
    """
    return known_to_need_job(dataset) or _found_too_many(dataset, last)


def known_to_need_job(dataset: Dataset) -> bool:
    """Return whether spec and snapshot alone show that the operator must not list the source itself."""
    source, limit, snapshot = dataset.spec.source, dataset.spec.probe.max_objects, dataset.status.snapshot
    if source.s3 is None or source.s3.secret_ref is None or limit == 0:
        # Without a Secret the operator would have to sign for a user with its own identity.
        return True
    return snapshot is not None and snapshot.source == source and snapshot.objects > limit


def probed_for_spec(dataset: Dataset) -> bool:
    """Return whether a probe Job has ended since the spec changed."""
    status = dataset.status
    return status.probed_at is not None and status.probed_generation == dataset.metadata.generation


def undecided(state: str) -> bool:
    """Return whether a candidate in this state still waits for the end of its snapshot Job."""
    return state in ("Settling", "Checking")


def _found_too_many(dataset: Dataset, last: ProbeResult | None) -> bool:
    if last is None or not isinstance(last.outcome, TooManyObjects):
        return False
    probed_at = dataset.status.probed_at
    return probed_at is None or last.at > parse_timestamp(probed_at)


def _next_by_job(dataset: Dataset, last: ProbeResult | None, least_interval: timedelta) -> datetime:
    probed_at = dataset.status.probed_at
    if probed_at is None or not probed_for_spec(dataset) or _found_too_many(dataset, last):
        return _LONG_AGO
    candidate, wait = dataset.status.candidate, max(parse_duration(dataset.spec.interval), least_interval)
    if candidate is not None and candidate.state == "Settling":
        wait = min(wait, max(parse_duration(dataset.spec.settle), SOON))
    return parse_timestamp(probed_at) + wait


def _next_in_process(dataset: Dataset, last: ProbeResult, least_interval: timedelta) -> datetime:
    spec, candidate = dataset.spec, dataset.status.candidate
    interval = max(parse_duration(spec.interval), least_interval)
    if isinstance(last.outcome, SourceProblem):
        return last.at + (interval if last.outcome.kind == "Stalled" else min(interval, SOON))
    regular = last.at + interval
    if candidate is not None and candidate.state == "Settling":
        settled = parse_timestamp(candidate.since) + parse_duration(spec.settle)
        if last.at < settled:
            return min(settled, regular)
    return regular
