"""Background work, such as requests over HTTP, for which no reconcile waits."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from modelops.machinery.resources import Key
from modelops.machinery.scheduling.fair_slots import FairSlots

SubjectT = TypeVar("SubjectT", bound=Hashable)
ResultT = TypeVar("ResultT")


class Background(Generic[SubjectT, ResultT]):
    """Last result of the work on each subject, and the running work: at most one task per object.

    A subclass has `start` and `last`. Its work runs `async with self._slots.hold(namespace)`, which limits the work of
    all objects and that of a namespace: work that waits for an answer in vain takes no slot from other namespaces.
    """

    def __init__(self, slots: int, share: int) -> None:
        """Have a number of slots, of which a namespace holds at most `share`, also while it is alone."""
        self._results: dict[SubjectT, ResultT] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._subjects: dict[Key, SubjectT] = {}
        self._slots = FairSlots(slots, share)

    def running(self, key: Key) -> bool:
        """Return whether work for an object is running."""
        return key in self._running

    def forget(self, subject: SubjectT) -> None:
        """Drop the last result of a subject. The result of running work is still kept."""
        self._results.pop(subject, None)

    def keep_only(self, exists: Callable[[SubjectT], bool]) -> None:
        """Drop the results of subjects that do not exist, including results of running work: this bounds the memory."""
        self._results = {subject: result for subject, result in self._results.items() if exists(subject)}
        self._subjects = {key: subject for key, subject in self._subjects.items() if exists(subject)}

    def __len__(self) -> int:
        return len(self._results)

    def _start(
        self,
        key: Key,
        subject: SubjectT,
        work: Callable[[], Awaitable[ResultT]],
        enqueue: Callable[[Key], None],
    ) -> None:
        """Start `work` unless work for the object is running. Enqueue the object when its result has changed."""
        if key in self._running:
            return

        async def run() -> None:
            changed = True
            try:
                result = await work()
                changed = self._results.get(subject) != result
                if key in self._subjects:
                    self._results[subject] = result
            finally:
                del self._running[key]
                self._subjects.pop(key, None)
                if changed:
                    enqueue(key)

        self._subjects[key] = subject
        self._running[key] = asyncio.create_task(run(), name=f"{type(self).__name__} of {key}")
