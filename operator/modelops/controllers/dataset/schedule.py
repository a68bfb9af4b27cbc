"""When a source is to be looked at again, and who looks: the operator, or a Job. Pure."""

from datetime import UTC, datetime, timedelta

from modelops.api.annotations import REFRESH
from modelops.api.dataset import Dataset
from modelops.api.durations import parse_duration
from modelops.controllers.dataset.probe_result import Problem, Sighting
from modelops.machinery.conditions import parse_timestamp
from modelops.store.listing import TooMany

SOON = timedelta(seconds=30)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_REFRESH = 1024


def next_look(dataset: Dataset, last: Sighting | None, *, busy: bool) -> datetime | None:
    """When the source is to be looked at again; None while a Job has the word.

    `last` is the operator's last look at this very source; `busy` says that a Job reads the data or looks for it.
    """
    if dataset.spec.suspend or busy:
        return None
    if asked(dataset) is not None:
        return _LONG_AGO
    if surveyed(dataset, last):
        return _next_survey(dataset, last)
    if last is None:
        return _LONG_AGO
    return _next_probe(dataset, last)


def asked(dataset: Dataset) -> str | None:
    """The value of the annotation that asks for a look at once; None where it was acted on."""
    value = dataset.metadata.annotations.get(REFRESH, "")[:_LONGEST_REFRESH]
    return value if value and value != dataset.status.refresh else None


def surveyed(dataset: Dataset, last: Sighting | None) -> bool:
    """Whether it was, or will be, a Job that looked at the source as it was seen last."""
    return known_to_need_job(dataset) or (last is not None and isinstance(last.found, TooMany))


def needs_job(dataset: Dataset, last: Sighting | None) -> bool:
    """Whether the next look is a Job's. That there were too many objects holds until that Job has ended."""
    return known_to_need_job(dataset) or _found_too_many(dataset, last)


def known_to_need_job(dataset: Dataset) -> bool:
    """Whether the operator need not look itself to know that it shall not."""
    source, limit, snapshot = dataset.spec.source, dataset.spec.probe.max_objects, dataset.status.snapshot
    if source.s3 is None or limit == 0:
        return True
    return snapshot is not None and snapshot.source == source and snapshot.objects > limit


def looked_for_spec(dataset: Dataset) -> bool:
    """Whether a Job has looked since the spec changed."""
    status = dataset.status
    return status.looked_at is not None and status.looked_generation == dataset.metadata.generation


def undecided(state: str) -> bool:
    """Whether a candidate's Job still has something to say."""
    return state in ("Settling", "Checking")


def _found_too_many(dataset: Dataset, last: Sighting | None) -> bool:
    if last is None or not isinstance(last.found, TooMany):
        return False
    looked_at = dataset.status.looked_at
    return looked_at is None or last.at > parse_timestamp(looked_at)


def _next_survey(dataset: Dataset, last: Sighting | None) -> datetime:
    looked_at = dataset.status.looked_at
    if looked_at is None or not looked_for_spec(dataset) or _found_too_many(dataset, last):
        return _LONG_AGO
    candidate, wait = dataset.status.candidate, parse_duration(dataset.spec.interval)
    if candidate is not None and candidate.state == "Settling":
        wait = min(wait, max(parse_duration(dataset.spec.settle), SOON))
    return parse_timestamp(looked_at) + wait


def _next_probe(dataset: Dataset, last: Sighting) -> datetime:
    spec, candidate = dataset.spec, dataset.status.candidate
    interval = parse_duration(spec.interval)
    if isinstance(last.found, Problem):
        return last.at + (interval if last.found.kind == "Stalled" else min(interval, SOON))
    regular = last.at + interval
    if candidate is not None and candidate.state == "Settling":
        settled = parse_timestamp(candidate.since) + parse_duration(spec.settle)
        if last.at < settled:
            return min(settled, regular)
    return regular
