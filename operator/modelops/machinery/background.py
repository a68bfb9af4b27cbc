"""Work beside the reconciles, such as requests over HTTP: a queue worker never waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from modelops.machinery.resources import Key

SubjectT = TypeVar("SubjectT", bound=Hashable)
ResultT = TypeVar("ResultT")


class Background(Generic[SubjectT, ResultT]):
    """The last result of the work on each subject, and the work under way: one task at a time for each object.

    A subclass offers `start` and `last`. Its work runs `async with self._slots`, which bounds the work of all objects.
    """

    def __init__(self, at_once: int) -> None:
        self._results: dict[SubjectT, ResultT] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._subjects: dict[Key, SubjectT] = {}
        self._slots = asyncio.Semaphore(at_once)

    def running(self, key: Key) -> bool:
        """Return whether work for an object is under way."""
        return key in self._running

    def forget(self, subject: SubjectT) -> None:
        """Drop the last result of a subject. A result of work under way is kept."""
        self._results.pop(subject, None)

    def keep_only(self, exists: Callable[[SubjectT], bool]) -> None:
        """Drop the results of all other subjects, also of work under way: memory is bounded by what exists."""
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
        """Begin `work` unless some for the object is under way. Wake the object once there is another result."""
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
