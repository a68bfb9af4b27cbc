"""Requests to a run by annotation. Each value is handled once; the last one handled is kept in the status. Pure."""

from dataclasses import dataclass

from modelops.api.annotations import RETRY, STOP
from modelops.api.trainingrun import TrainingRun

_MAX_CHARACTERS = 1024


@dataclass(frozen=True)
class AnnotationRequest:
    """Value of an annotation, or of the last one handled, and whether it is a new one."""

    value: str | None
    new: bool


def retry_request(run: TrainingRun) -> AnnotationRequest:
    """Return the request to train again though the run has failed or was stopped."""
    return _request(run, RETRY, run.status.last_handled_retry)


def stop_request(run: TrainingRun) -> AnnotationRequest:
    """Return the request to stop the run under way. Its value is the reason."""
    return _request(run, STOP, run.status.last_handled_stop)


def _request(run: TrainingRun, annotation: str, handled: str | None) -> AnnotationRequest:
    value = run.metadata.annotations.get(annotation, "")[:_MAX_CHARACTERS] or None
    return AnnotationRequest(value or handled, value is not None and value != handled)
