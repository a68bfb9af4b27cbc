"""Save checkpoints in a background thread while the trainer runs, and a last time when the trainer has ended."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from modelops.store.errors import S3Error
from modelops.worker.checkpoints.sync import CheckpointSync, SyncAbandonedError, TrainerState

SYNC_INTERVAL_SECONDS = 15.0
_RETRY_SECONDS = 2.0
_POLL_SECONDS = 0.1
_log = logging.getLogger(__name__)


class BackgroundSync:
    """Context manager that saves checkpoints while its body runs. No failure here reaches the training."""

    def __init__(self, sync: CheckpointSync, every_seconds: float = SYNC_INTERVAL_SECONDS) -> None:
        self._sync = sync
        self._every_seconds = every_seconds
        self._trainer = TrainerState.RUNS
        self._wake = threading.Event()
        self._last_warning = ""
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def __enter__(self) -> "BackgroundSync":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abandon()

    def flush(self, trainer: TrainerState, left: Callable[[], float]) -> None:
        """Save the current checkpoints, with retries while `left()` (seconds) is positive."""
        self._trainer = trainer
        self._wake.set()
        if not self.join(left):
            _log.warning("the last checkpoints were not saved in time; the ones before are safe")

    def abandon(self) -> None:
        """Save nothing more. Returns at once; a request under way may still end."""
        self._sync.abandoned = True
        self._wake.set()

    def join(self, left: Callable[[], float]) -> bool:
        """Wait for the thread while `left()` (seconds) is positive. Return True if nothing is written any more."""
        while self._thread.is_alive() and left() > 0:
            self._thread.join(_POLL_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._sync.abandoned:
            self._wake.wait(self._every_seconds)
            trainer = self._trainer
            try:
                done = self._try_sync(trainer)
            except SyncAbandonedError:
                return
            if trainer is TrainerState.RUNS:
                continue
            if done:
                return
            # A new event: `_wake` stays set from here on. abandon() takes effect after this pause.
            threading.Event().wait(_RETRY_SECONDS)

    def _try_sync(self, trainer: TrainerState) -> bool:
        try:
            if self._sync.sync(trainer):
                self._last_warning = ""
            return True
        except S3Error as problem:
            self._warn(f"checkpoints cannot be saved now: {problem.message}; trying again")
        except Exception:
            _log.exception("checkpoints cannot be saved now; trying again")
        return False

    def _warn(self, message: str) -> None:
        """Log a warning, but only once as long as the same problem lasts."""
        if message != self._last_warning:
            self._last_warning = message
            _log.warning("%s", message)
