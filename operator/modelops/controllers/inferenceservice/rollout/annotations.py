"""Requests to a rollout by annotation. A value is acted on once; a pause lasts while the annotation is set. Pure."""

from dataclasses import dataclass, field, replace

from modelops.api.annotations import ABORT, PAUSE, PROMOTE, PROMOTE_FULL, RETRY
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
    handled: LastHandledRequests = field(default_factory=LastHandledRequests)
    """All values that the plan acts on or has acted on."""

    @property
    def words(self) -> tuple[str, ...]:
        """Names of the requests that are acted on once."""
        requested = {"promote": self.promote, "promote-full": self.promote_full, "abort": self.abort is not None}
        return tuple(word for word, is_requested in requested.items() if is_requested)


def requests_of(service: InferenceService) -> Requests:
    """Return the requests in a service's annotations."""
    annotations, before = service.metadata.annotations, service.status.last_handled_requests
    promote, full, abort, retry = (annotations.get(name, "")[:_LIMIT] for name in (PROMOTE, PROMOTE_FULL, ABORT, RETRY))
    return Requests(
        promote=bool(promote) and promote != before.promote,
        promote_full=bool(full) and full != before.promote_full,
        abort=abort if abort and abort != before.abort else None,
        paused=annotations.get(PAUSE) == "true",
        handled=LastHandledRequests(
            promote=promote or before.promote,
            promote_full=full or before.promote_full,
            abort=abort or before.abort,
            retry=retry or before.retry,
        ),
    )


def for_new_candidate(requests: Requests) -> Requests:
    """Return the requests that apply to a candidate of which no plan knew before: those made earlier do not."""
    return replace(requests, promote=False, promote_full=False, abort=None)


def nothing_to_do(words: tuple[str, ...], because: str) -> tuple[Event, ...]:
    """Return the Event that reports requests without an effect, for instance "there is no candidate to promote"."""
    return (Event("NothingToDo", f"{because} to {' and to '.join(words)}"),) if words else ()
