"""Files of the routes: the operator's, in a mounted ConfigMap, and beside Envoy the last one that was accepted."""

import contextlib
import os
import sys
import time
from pathlib import Path

from modelops.monitor.envoy.routes_schema import MAX_BYTES, RefusedRoutesError, accepted_routes
from modelops.monitor.routes_check import ACCEPTED, PREVIOUS, REFUSED
from modelops.monitor.settings import Settings

_REASON = "refused"


def take(settings: Settings) -> int:
    """Hand the operator's routes to Envoy if they are of the operator's form, and return the check's exit code.

    Otherwise the routes accepted before stay in effect, and the reason is kept for `refusal`.
    """
    accepted = Path(settings.accepted_routes_path)
    accepted.parent.mkdir(exist_ok=True)
    reason = accepted.parent / _REASON
    try:
        with Path(settings.routes_path).open("rb") as file:
            content = accepted_routes(file.read(MAX_BYTES + 1))
    except RefusedRoutesError as error:
        print(f"routes refused: {error}; those before stay in effect", file=sys.stderr, flush=True)
        reason.write_text(str(error))
        return PREVIOUS if accepted.exists() else REFUSED
    partial = accepted.with_name(f"{accepted.name}.{os.getpid()}.{time.monotonic_ns()}")
    partial.write_bytes(content)
    reason.unlink(missing_ok=True)
    partial.replace(accepted)
    return ACCEPTED


def refusal(settings: Settings) -> str | None:
    """Return why the operator's routes are not in effect, or None if they are."""
    with contextlib.suppress(OSError):
        return (Path(settings.accepted_routes_path).parent / _REASON).read_text() or "refused"
    return None
