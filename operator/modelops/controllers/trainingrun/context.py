"""An observation with its inputs settled, and the status for them as far as it is known. Pure."""

from dataclasses import dataclass, replace

from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.controllers.jobs import JobState
from modelops.controllers.trainingrun import children
from modelops.controllers.trainingrun.annotations import retry, stop
from modelops.controllers.trainingrun.inputs.resolution import Taken
from modelops.controllers.trainingrun.observe import Observation
from modelops.controllers.trainingrun.sweep.identity import outcome_holds
from modelops.controllers.trainingrun.sweep.plan import Sweeping
from modelops.machinery.conditions import format_timestamp


@dataclass(frozen=True)
class Case:
    """What the steps of the plan ask."""

    seen: Observation
    taken: Taken
    status: TrainingRunStatus
    """The status for these inputs, as far as it is known. Requests are in it as acted on."""
    job_name: str
    """The Job of the attempt that is due, or whose end was the run's: that one is among the failed attempts."""
    attempt: int
    """That attempt's number."""
    stop: str | None = None
    """Why the run is to be stopped, where that is asked for and not done yet."""
    sweeping: Sweeping | None = None
    """The trials that the run has made."""

    @property
    def job(self) -> JobState | None:
        """The Job of that attempt."""
        return next((job for job in self.seen.jobs if job.key.name == self.job_name), None)


def case_of(seen: Observation, taken: Taken, sweeping: Sweeping | None = None) -> Case:
    """The status starts anew when the key does. The last version stays named until the next one is there."""
    run, old = seen.run, seen.run.status
    again, halt = retry(run), stop(run)
    fresh = TrainingRunStatus(
        input_key=taken.key,
        inputs=taken.inputs,
        model_version=old.model_version,
        scheduled_at=taken.scheduled_at,
        started_at=format_timestamp(seen.now),
        retry=again.value,
        stop=halt.value,
        sweep=old.sweep if old.input_key == taken.key else None,
    )
    case = Case(seen, taken, fresh, children.job_name(run, taken.key), 1, halt.value if halt.new else None, sweeping)
    return _continued(case, retried=again.new) if old.input_key == taken.key else case


def _continued(case: Case, *, retried: bool) -> Case:
    """The same key as before: what was done for it counts, unless how it runs was changed since."""
    old, run = case.seen.run.status, case.seen.run
    kept = {"started_at": old.started_at or case.status.started_at, "progress": old.progress}
    kept |= {name: getattr(old, name) for name in ("cache", "job", "attempts", "failures", "failed_attempts")}
    status = case.status.model_copy(update=kept)
    if old.outcome is not None and old.outcome.state == "Succeeded":
        done = {"outcome": old.outcome, "artifact": old.artifact, "metrics": old.metrics}
        return replace(case, status=status.model_copy(update=done))
    if run.spec.sweep is not None:
        # Its trials have the attempts.
        held = {"outcome": old.outcome} if outcome_holds(run, case.taken) else {}
        return replace(case, status=status.model_copy(update=held))
    last = old.failed_attempts[-1].number if old.failed_attempts else 0
    names = {number: children.job_name(run, case.taken.key, number) for number in (last, last + 1)}
    if old.job is not None and old.job not in names.values():
        # Another way to run it, such as more memory, is a new chance.
        return case
    if old.outcome is not None and not retried:
        status = status.model_copy(update={"outcome": old.outcome})
        return replace(case, status=status, job_name=names[last], attempt=last)
    if old.outcome is not None:
        status = status.model_copy(update={"failures": 0})
    return replace(case, status=status, job_name=names[last + 1], attempt=last + 1)
