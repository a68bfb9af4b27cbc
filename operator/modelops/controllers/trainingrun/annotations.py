"""What people ask of a run by annotation. Each is acted on once per new value; the value acted on is in the status."""

from dataclasses import dataclass

from modelops.api.annotations import RETRY, STOP
from modelops.api.trainingrun import TrainingRun

_LONGEST = 1024


@dataclass(frozen=True)
class Request:
    """One request: the annotation's value, and whether it has not been acted on yet."""

    value: str | None
    new: bool


def retry(run: TrainingRun) -> Request:
    """Train again although it has failed or was stopped."""
    return _request(run, RETRY, run.status.retry)


def stop(run: TrainingRun) -> Request:
    """End the run that is under way; the value says why."""
    return _request(run, STOP, run.status.stop)


def _request(run: TrainingRun, annotation: str, acted_on: str | None) -> Request:
    value = run.metadata.annotations.get(annotation, "")[:_LONGEST] or None
    return Request(value or acted_on, value is not None and value != acted_on)
