"""Requests to a rollout by annotation. A value is acted on once; a pause lasts while the annotation is set. Pure."""

from dataclasses import dataclass, field, replace

from modelops.api.annotations import ABORT, PAUSE, PROMOTE, PROMOTE_FULL, RESUME_BY, RETRY, requester
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import LastHandledRequests
from modelops.machinery.plan import Event

RESUME = f"the annotation {PAUSE} to be removed"
"""End of the sentence "waiting for …" of a paused rollout."""
_LIMIT = 1024


@dataclass(frozen=True)
class Requests:
    """Requests that have not been acted on."""

    promote: bool = False
    """Advance to the next step."""
    promote_full: bool = False
    """Skip all remaining steps."""
    abort: str | None = None
    """Roll back, for this reason."""
    paused: bool = False
    """Keep the present step."""
    made_by: tuple[tuple[str, str], ...] = ()
    """Each new request that names its user, with that name, such as ("promote", "anna@example.com")."""
    handled: LastHandledRequests = field(default_factory=LastHandledRequests)
    """All values that the plan acts on or has acted on."""

    @property
    def words(self) -> tuple[str, ...]:
        """Names of the requests that are acted on once."""
        requested = {"promote": self.promote, "promote-full": self.promote_full, "abort": self.abort is not None}
        return tuple(word for word, is_requested in requested.items() if is_requested)


def requests_of(service: InferenceService) -> Requests:
    """Return the requests in a service's annotations, and who made those that are new."""
    before, paused = service.status.last_handled_requests, _value(service, PAUSE) == "true"
    promote, full, abort, retry = (_value(service, name) for name in (PROMOTE, PROMOTE_FULL, ABORT, RETRY))
    resumed = before.pause is not None and not paused
    handled = LastHandledRequests(
        promote=promote or before.promote,
        promote_full=full or before.promote_full,
        abort=abort or before.abort,
        retry=retry or before.retry,
        pause="true" if paused else None,
        promote_by=_name(service, PROMOTE) if promote else before.promote_by,
        promote_full_by=_name(service, PROMOTE_FULL) if full else before.promote_full_by,
        abort_by=_name(service, ABORT) if abort else before.abort_by,
        retry_by=_name(service, RETRY) if retry else before.retry_by,
        pause_by=_name(service, PAUSE) if paused else before.pause_by,
        resume_by=_value(service, RESUME_BY) or None if resumed else before.resume_by,
    )
    made = {
        "promote": handled.promote_by if handled.promote != before.promote else None,
        "promote-full": handled.promote_full_by if handled.promote_full != before.promote_full else None,
        "abort": handled.abort_by if handled.abort != before.abort else None,
        "retry": handled.retry_by if handled.retry != before.retry else None,
        "pause": handled.pause_by if paused and before.pause is None else None,
        "resume": handled.resume_by if resumed else None,
    }
    return Requests(
        promote=bool(promote) and promote != before.promote,
        promote_full=bool(full) and full != before.promote_full,
        abort=abort if abort and abort != before.abort else None,
        paused=paused,
        made_by=tuple((word, name) for word, name in made.items() if name is not None),
        handled=handled,
    )


def requested(requests: Requests) -> tuple[Event, ...]:
    """Return an Event for each new request that says who made it, whether or not the request has an effect."""
    return tuple(Event("Requested", f"{name} requests to {word}") for word, name in requests.made_by)


def for_new_candidate(requests: Requests) -> Requests:
    """Return the requests that apply to a candidate of which no plan knew before: those made earlier do not."""
    return replace(requests, promote=False, promote_full=False, abort=None)


def nothing_to_do(words: tuple[str, ...], because: str) -> tuple[Event, ...]:
    """Return the Event that reports requests without an effect, for instance "there is no candidate to promote"."""
    return (Event("NothingToDo", f"{because} to {' and to '.join(words)}"),) if words else ()


def _value(service: InferenceService, annotation: str) -> str:
    return service.metadata.annotations.get(annotation, "")[:_LIMIT]


def _name(service: InferenceService, request: str) -> str | None:
    return _value(service, requester(request)) or None
