"""What people ask of a rollout by annotation: each value once, but for pausing, which lasts. Pure."""

from dataclasses import dataclass, field, replace

from modelops.api.annotations import ABORT, PAUSE, PROMOTE, PROMOTE_FULL, RETRY
from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import LastHandledRequests
from modelops.machinery.plan import Event

RESUMED = f"the annotation {PAUSE} to go"
"""What a paused candidate waits for."""
_LIMIT = 1024


@dataclass(frozen=True)
class Requests:
    """What is asked now. A value that was acted on before asks for nothing."""

    promote: bool = False
    """On to the next step."""
    promote_full: bool = False
    """Straight to the end."""
    abort: str | None = None
    """Back to the stable version, and why."""
    paused: bool = False
    """Stay in the step."""
    handled: LastHandledRequests = field(default_factory=LastHandledRequests)
    """All values that will have been acted on."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The words of what is asked once."""
        found = {"promote": self.promote, "promote-full": self.promote_full, "abort": self.abort is not None}
        return tuple(word for word, asked in found.items() if asked)


def before_there_was_any(asked: Requests) -> Requests:
    """What is asked of a candidate that begins only now: whoever asked meant another one, or nobody."""
    return replace(asked, promote=False, promote_full=False, abort=None)


def nothing_to_do(words: tuple[str, ...], because: str) -> tuple[Event, ...]:
    """What is told of requests that nothing could be done for: who asked would wait for ever."""
    return (Event("NothingToDo", f"{because} to {' and to '.join(words)}"),) if words else ()


def requests_of(service: InferenceService) -> Requests:
    """What a service's annotations ask for."""
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
