"""What a look at a source has brought, and when the next one is due. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from modelops.api.dataset import Dataset
from modelops.api.types import length_of
from modelops.controllers.jobs import JobState
from modelops.machinery.conditions import moment
from modelops.store.listing import Probe

_SOON = timedelta(seconds=30)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Problem:
    """Why a look brought nothing.

    Waiting: a Secret is not there yet. Transient: it passes by itself. Stalled: a person must change something.
    """

    kind: Literal["Waiting", "Transient", "Stalled"]
    reason: str
    message: str


@dataclass(frozen=True)
class Sighting:
    """One look at a Dataset's source."""

    at: datetime
    """When it began: what was there then is in it."""
    uid: str
    generation: int
    found: Probe | Problem
    failures: int = 0
    """How many looks in a row have found a transient problem."""


def next_look(dataset: Dataset, last: Sighting | None, job: JobState | None) -> datetime | None:
    """When the source is to be looked at again; None while a Job has the word.

    `last` is the last look at this very source, `job` the Job for the candidate, where there is one.
    """
    spec, candidate = dataset.spec, dataset.status.candidate
    if spec.suspend or (job is not None and candidate is not None and undecided(candidate.state)):
        return None
    if last is None:
        return _LONG_AGO
    interval = length_of(spec.interval)
    if isinstance(last.found, Problem):
        return last.at + (interval if last.found.kind == "Stalled" else min(interval, _SOON))
    regular = last.at + interval
    if candidate is not None and candidate.state == "Settling":
        settled = moment(candidate.since) + length_of(spec.settle)
        if last.at < settled:
            return min(settled, regular)
    return regular


def undecided(state: str) -> bool:
    """Whether a candidate's Job still has something to say."""
    return state in ("Settling", "Checking")
