"""An observation, and what follows from it at once. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta

from modelops.api.dataset import Candidate, DatasetStatus, Snapshot
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.schedule import asked, looked_for_spec, next_look
from modelops.machinery.conditions import format_timestamp
from modelops.store.listing import Probe

SHORTLY = timedelta(seconds=2)
LOOK_TAKES_AT_MOST = timedelta(minutes=5)


@dataclass(frozen=True)
class Case:
    """What every step of the plan is asked about."""

    seen: Observation
    status: DatasetStatus
    """The status as it is, and what was asked for noted in it."""
    checks: str
    """What the spec wants data to be checked with."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The current snapshot."""
        return self.status.snapshot

    @property
    def candidate(self) -> Candidate | None:
        """What was known of the data that is not current."""
        return self.status.candidate

    @property
    def probe(self) -> Probe:
        """What the source holds. The steps before those that ask for it answer where it could not be seen."""
        assert self.seen.sighting is not None
        assert isinstance(self.seen.sighting.found, Probe)
        return self.seen.sighting.found

    @property
    def known(self) -> Candidate | None:
        """The candidate, if it is what the source holds now."""
        return self.candidate if self.candidate is not None and self.candidate.digest == self.probe.digest else None

    @property
    def decided(self) -> Candidate | None:
        """The same, if it has been checked against what the spec wants."""
        return self.known if self.known is not None and self.known.checked_with == self.checks else None

    @property
    def looked_for_spec(self) -> bool:
        """Whether a Job has looked since the spec changed."""
        return looked_for_spec(self.seen.dataset.model_copy(update={"status": self.status}))

    def looked(self) -> "Case":
        """The case once a Job has looked, which its status says from now on."""
        looked = {
            "looked_at": format_timestamp(self.seen.now),
            "looked_generation": self.seen.dataset.metadata.generation,
        }
        return replace(self, status=self.status.model_copy(update=looked))

    def with_candidate(self, candidate: Candidate | None) -> DatasetStatus:
        """The status with another candidate."""
        return self.status.model_copy(update={"candidate": candidate})

    def until_next_look(self, status: DatasetStatus) -> timedelta | None:
        """How long from now, once this status is written."""
        dataset = self.seen.dataset.model_copy(update={"status": status})
        due = next_look(dataset, self.seen.sighting, busy=False)
        if due is None:
            return None
        if due > self.seen.now:
            return due - self.seen.now
        # Where one was due already it has been started with this observation, and its end wakes the Dataset.
        was_due = next_look(self.seen.dataset, self.seen.sighting, busy=self.seen.busy)
        return LOOK_TAKES_AT_MOST if was_due is not None and was_due <= self.seen.now else SHORTLY


def case_of(seen: Observation) -> Case:
    """The case, in which a request whose look begins now is acted on: a check that failed is to be done again."""
    status = seen.dataset.status
    if seen.sighting is not None and isinstance(seen.sighting.found, Probe):
        status = status.model_copy(update={"looked_at": None, "looked_generation": None})
    refresh = asked(seen.dataset)
    if refresh is not None and _acted_on(seen, refresh):
        status = status.model_copy(update={"refresh": refresh, "candidate": _to_be_tried_again(status.candidate)})
    return Case(seen, status, checks_of(seen.dataset.spec))


def _acted_on(seen: Observation, refresh: str) -> bool:
    if seen.due is not None:
        return seen.obstacle is None
    # The Job may be older than the note that it was made.
    return seen.survey is not None and seen.survey.key.name == children.survey_name(seen.dataset, refresh)


def _to_be_tried_again(candidate: Candidate | None) -> Candidate | None:
    if candidate is None or candidate.state != "Failed":
        return candidate
    return candidate.model_copy(update={"checked_with": None})
