"""Read the run of a trial, and its result. Pure."""

from dataclasses import dataclass
from typing import Literal

from modelops.api.sweep import Objective
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TracePoint
from modelops.controllers.trainingrun.sweep.stopping import best_of
from modelops.machinery.conditions import STALLED, find
from modelops.machinery.plan import Delete
from modelops.machinery.resources import Body, key_of


@dataclass(frozen=True)
class Child:
    """A run that a sweep has created, and its body as it was read."""

    body: Body
    run: TrainingRun

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run.metadata.name

    @property
    def ended(self) -> bool:
        """Whether the run has an outcome for its spec. An outcome from before the spec changed does not count."""
        status = self.run.status
        if status.outcome is None or status.inputs is None:
            return False
        # Not the observed generation, which moves also if the API server refused an object that the new spec needs.
        return status.inputs.generation == self.run.metadata.generation

    @property
    def finished_at(self) -> str:
        """Timestamp of the run's end; empty before."""
        outcome = self.run.status.outcome
        return outcome.finished_at if outcome is not None else ""

    @property
    def trace(self) -> tuple[TracePoint, ...]:
        """Objective over the steps."""
        progress = self.run.status.progress
        return tuple(progress.trace) if progress is not None else ()

    @property
    def terminating(self) -> bool:
        """Whether the run is being deleted."""
        return self.run.metadata.deletion_timestamp is not None

    @property
    def delete(self) -> Delete:
        """Deletion of this run by UID, and of no other with the same name."""
        return Delete(key_of(self.body), self.run.metadata.uid)


@dataclass(frozen=True)
class TrialResult:
    """State of a trial, and the value of its objective."""

    state: Literal["Running", "Succeeded", "Failed", "Stopped"]
    objective: float | None = None
    reason: str = ""
    """Reason of a failure, or of a stalled run."""
    message: str = ""


def child_of(body: Body) -> Child:
    """Return the child with this body."""
    return Child(body, TrainingRun.model_validate(body))


def trial_result(child: Child, objective: Objective) -> TrialResult:
    """Return the result of a trial. A trial that has not written its objective has failed: it cannot be compared."""
    status = child.run.status
    outcome = status.outcome
    if outcome is None or not child.ended:
        problem = find(status.conditions, STALLED)
        return (
            TrialResult("Running") if problem is None else TrialResult("Running", None, problem.reason, problem.message)
        )
    if outcome.state == "Stopped":
        return TrialResult("Stopped", best_of(child.trace, objective) if child.trace else None)
    if outcome.state == "Failed":
        return TrialResult("Failed", None, outcome.reason, outcome.message)
    value = status.metrics.get(objective.metric)
    if value is None:
        message = f'the trainer wrote no "{objective.metric}" to /opt/ml/output/metrics.json'
        return TrialResult("Failed", None, "ObjectiveMissing", message)
    return TrialResult("Succeeded", value)
