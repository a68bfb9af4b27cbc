"""Keep checkpoints in the background while the trainer runs, and once more at its end."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from modelops.store.errors import S3Error
from modelops.worker.checkpoints.sync import Keeper, SyncAbandonedError, Trainer

LOOK_EVERY_SECONDS = 15.0
_AGAIN_SECONDS = 2.0
_POLL_SECONDS = 0.1
_log = logging.getLogger(__name__)


class Keeping:
    """While it is entered, checkpoints are looked at and kept. Nothing that goes wrong here reaches the training."""

    def __init__(self, keeper: Keeper, every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        self._keeper = keeper
        self._every_seconds = every_seconds
        self._trainer = Trainer.RUNS
        self._wake = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)

    def __enter__(self) -> "Keeping":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abandon()

    def once_more(self, trainer: Trainer, left: Callable[[], float]) -> None:
        """Keep what there is now, trying again for as long as seconds are `left`."""
        self._trainer = trainer
        self._wake.set()
        self._join(left)
        if self._thread.is_alive():
            _log.warning("the last checkpoints could not be kept in time; those before them are")

    def abandon(self) -> None:
        """Keep no more."""
        self._keeper.abandoned = True
        self._wake.set()

    def has_ended(self, left: Callable[[], float]) -> bool:
        """Whether nothing of it is written any more, waited for while seconds are `left`."""
        self._join(left)
        return not self._thread.is_alive()

    def _join(self, left: Callable[[], float]) -> None:
        while self._thread.is_alive() and left() > 0:
            self._thread.join(_POLL_SECONDS)

    def _run(self) -> None:
        while not self._keeper.abandoned:
            self._wake.wait(self._every_seconds)
            trainer = self._trainer
            try:
                done = self._sync(trainer)
            except SyncAbandonedError:
                return
            if trainer is Trainer.RUNS:
                continue
            if done:
                return
            # Not the event, which stays set: to be abandoned can wait for so long.
            threading.Event().wait(_AGAIN_SECONDS)

    def _sync(self, trainer: Trainer) -> bool:
        try:
            if self._keeper.sync(trainer):
                self._said = ""
            return True
        except S3Error as problem:
            self._say(f"the checkpoints cannot be kept now, and will be later: {problem.message}")
        except Exception:
            _log.exception("the checkpoints cannot be kept now, and will be tried again")
        return False

    def _say(self, what: str) -> None:
        """Once, as long as it lasts."""
        if what != self._said:
            self._said = what
            _log.warning("%s", what)
