"""Checkpoints by their pins: which ones the operator has pinned, and which ones this sidecar has saved."""

import logging
import threading
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from modelops.api.checkpoints import Checkpoint, newest_checkpoints
from modelops.api.contract.tasks import CHECKPOINTS_FILE, PinnedCheckpoints
from modelops.worker.runtime import paths

_log = logging.getLogger(__name__)


def pinned_checkpoints() -> list[Checkpoint]:
    """Return the checkpoints that the operator has pinned, as far as this Pod has been told; none without the file."""
    file = paths.pinned_checkpoints() / CHECKPOINTS_FILE
    try:
        return PinnedCheckpoints.model_validate_json(file.read_bytes()).checkpoints
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        _log.warning("%s cannot be read, so no checkpoint counts as pinned: %s", file, error)
        return []


class SavedCheckpoints:
    """Newest checkpoints that a sidecar has saved. Safe for threads.

    `report` is called for each new one, so that a sidecar that is killed has reported it, and never after `close`.
    """

    def __init__(self, report: Callable[[Sequence[Checkpoint]], None]) -> None:
        self._report = report
        self._newest: list[Checkpoint] = []
        self._closed = False
        self._lock = threading.Lock()

    def add(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint that is in the store. A report that fails is only logged."""
        with self._lock:
            self._newest = newest_checkpoints(self._newest, [checkpoint])
            if self._closed:
                return
            try:
                self._report(self._newest)
            except OSError as error:
                _log.warning("checkpoint %s is not reported at once: %s", checkpoint.manifest, error)

    def newest(self) -> list[Checkpoint]:
        """Return the newest checkpoints, the newest first."""
        with self._lock:
            return self._newest

    def close(self) -> None:
        """Report no more: the last report of the sidecar follows."""
        with self._lock:
            self._closed = True
