"""Context of the steps of a Dataset's plan: the Observation, and what follows from it alone. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta

from modelops.api.dataset import Candidate, DatasetStatus, Snapshot
from modelops.controllers.dataset import children
from modelops.controllers.dataset.checks_digest import checks_of
from modelops.controllers.dataset.observe import Observation
from modelops.controllers.dataset.schedule import next_probe_at, probed_for_spec, refresh_requested
from modelops.machinery.conditions import format_timestamp
from modelops.store.listing import ListingSummary

SHORTLY = timedelta(seconds=2)
PROBE_TIMEOUT = timedelta(minutes=5)
"""After this time the Dataset is reconciled again even if the end of a running probe has not woken it."""


@dataclass(frozen=True)
class Context:
    """Argument of every step of the plan."""

    seen: Observation
    status: DatasetStatus
    """Status of the Dataset, in which a refresh that begins now is noted as handled."""
    checks: str
    """Hash of the spec's format, schema and checks."""

    @property
    def snapshot(self) -> Snapshot | None:
        """Current snapshot."""
        return self.status.snapshot

    @property
    def candidate(self) -> Candidate | None:
        """Candidate snapshot in the status."""
        return self.status.candidate

    @property
    def probe(self) -> ListingSummary:
        """State of the source. Earlier steps of the plan decide where the operator could not list the source."""
        assert self.seen.probe_result is not None
        assert isinstance(self.seen.probe_result.outcome, ListingSummary)
        return self.seen.probe_result.outcome

    @property
    def probed_candidate(self) -> Candidate | None:
        """Candidate in the status, if the source still holds the same data."""
        return self.candidate if self.candidate is not None and self.candidate.digest == self.probe.digest else None

    @property
    def decided_candidate(self) -> Candidate | None:
        """Probed candidate, if it was decided on with the format, schema and checks of the spec."""
        candidate = self.probed_candidate
        return candidate if candidate is not None and candidate.checked_with == self.checks else None

    @property
    def probed_for_spec(self) -> bool:
        """Whether a probe Job has ended since the spec changed."""
        return probed_for_spec(self.seen.dataset.model_copy(update={"status": self.status}))

    def with_probe_recorded(self) -> "Context":
        """Return the context with a status that says that a probe Job ended now."""
        probed = {
            "probed_at": format_timestamp(self.seen.now),
            "probed_generation": self.seen.dataset.metadata.generation,
        }
        return replace(self, status=self.status.model_copy(update=probed))

    def with_candidate(self, candidate: Candidate | None) -> DatasetStatus:
        """Return the status with another candidate."""
        return self.status.model_copy(update={"candidate": candidate})

    def until_next_probe(self, status: DatasetStatus) -> timedelta | None:
        """Return how long it is until the next probe once `status` is written; None if no probe is scheduled."""
        dataset = self.seen.dataset.model_copy(update={"status": status})
        last, least = self.seen.probe_result, self.seen.settings.datasets.shortest
        due_at = next_probe_at(dataset, last, job_expected=False, least_interval=least)
        if due_at is None:
            return None
        if due_at > self.seen.now:
            return due_at - self.seen.now
        # A probe that was due before this plan has been started by `observe`, and its end wakes the Dataset.
        was_due_at = next_probe_at(self.seen.dataset, last, job_expected=self.seen.job_expected, least_interval=least)
        return PROBE_TIMEOUT if was_due_at is not None and was_due_at <= self.seen.now else SHORTLY


def context_of(seen: Observation) -> Context:
    """Build the context of an Observation.

    If a requested refresh begins now, the status notes the request as handled and lets a failed candidate be checked
    again.
    """
    status = seen.dataset.status
    if seen.probe_result is not None and isinstance(seen.probe_result.outcome, ListingSummary):
        status = status.model_copy(update={"probed_at": None, "probed_generation": None})
    refresh = refresh_requested(seen.dataset)
    if refresh is not None and _begins_now(seen, refresh):
        status = status.model_copy(
            update={"last_handled_refresh": refresh, "candidate": _to_be_checked_again(status.candidate)}
        )
    return Context(seen, status, checks_of(seen.dataset.spec))


def _begins_now(seen: Observation, refresh: str) -> bool:
    if seen.due is not None:
        return seen.obstacle is None
    # The operator may have stopped after it created the Job and before it wrote the status.
    return seen.probe_job is not None and seen.probe_job.key.name == children.probe_job_name(seen.dataset, refresh)


def _to_be_checked_again(candidate: Candidate | None) -> Candidate | None:
    if candidate is None or candidate.state != "Failed":
        return candidate
    return candidate.model_copy(update={"checked_with": None})
