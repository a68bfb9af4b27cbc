"""Checks of the operator's routes, each in a process of its own, after each change of their file.

The supervisor lives as long as the Pod, so it only looks at the file's inode and time. A child parses the routes, and
hands them to Envoy if they are accepted.
"""

import os
import time
from collections.abc import Sequence

from modelops.monitor.processes import log, start

ROUTES_PATH = "/etc/modelops/routes/routes.json"
"""File of the operator's routes, unless the settings name another one."""
LOOK_SECONDS = 0.5
"""Interval at which the file is looked at: a change of a weight takes up to so much longer."""
ACCEPTED, PREVIOUS, REFUSED = 0, 3, 4
"""Exit codes of a check. PREVIOUS: the routes are refused, and those accepted before stay. REFUSED: there are none."""
_AGAIN_AFTER_SECONDS = 5.0
"""Time after which a check that was killed is repeated."""


class RoutesCheck:
    """Runs of the check, one at a time."""

    def __init__(self, command: Sequence[str], path: str) -> None:
        self._command = list(command)
        self._path = path
        self._checked: tuple[int, int, int] | None = None
        self._not_before = 0.0
        self._routed = False
        self.pid = 0
        """Process of the check that runs; 0 without one."""

    @property
    def routed(self) -> bool:
        """Whether a check of this process has left Envoy with routes."""
        return self._routed

    def start_when_changed(self) -> None:
        """Start a check if the file is another one than at the last check, and none runs."""
        seen = _identity(self._path)
        if self.pid or seen is None or seen == self._checked or time.monotonic() < self._not_before:
            return
        self._checked = seen
        try:
            self.pid = start(self._command, dict(os.environ))
        except OSError as error:
            self._fail(f"not started: {error}")

    def ended(self, code: int) -> None:
        """Note the exit code of the check. A child that could not tell is asked again."""
        self.pid = 0
        if code in (ACCEPTED, PREVIOUS):
            self._routed = True
        elif code != REFUSED:
            self._fail(f"exit code {code}")

    def _fail(self, reason: str) -> None:
        log(f"check of the routes failed: {reason}; again in {_AGAIN_AFTER_SECONDS:.0f} s")
        self._checked = None
        self._not_before = time.monotonic() + _AGAIN_AFTER_SECONDS


def _identity(path: str) -> tuple[int, int, int] | None:
    """Return what differs once the kubelet has replaced the file; None without a file."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_mtime_ns
