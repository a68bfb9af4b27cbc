"""What people ask of a run by annotation. Each is acted on once per new value; the value acted on is in the status."""

from dataclasses import dataclass

from modelops.api.annotations import RETRY, STOP
from modelops.api.trainingrun import TrainingRun

_LONGEST = 1024


@dataclass(frozen=True)
class AnnotationRequest:
    """One request: the annotation's value, and whether it has not been acted on yet."""

    value: str | None
    new: bool


def retry_request(run: TrainingRun) -> AnnotationRequest:
    """Train again although it has failed or was stopped."""
    return _request(run, RETRY, run.status.retry)


def stop_request(run: TrainingRun) -> AnnotationRequest:
    """End the run that is under way; the value says why."""
    return _request(run, STOP, run.status.stop)


def _request(run: TrainingRun, annotation: str, acted_on: str | None) -> AnnotationRequest:
    value = run.metadata.annotations.get(annotation, "")[:_LONGEST] or None
    return AnnotationRequest(value or acted_on, value is not None and value != acted_on)
