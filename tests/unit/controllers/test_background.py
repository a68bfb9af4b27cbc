"""Background work is bounded, has one task per object, and its end always enqueues the object."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from modelops.controllers.background import Background
from modelops.machinery.resources import Key

KEY = Key("Dataset", "team-a", "mortgage")
Work = Callable[[], Awaitable[int]]


class Counter(Background[str, int]):
    """Work whose result is a number."""

    def start(self, work: Work, enqueue: Callable[[Key], None], subject: str = "uid", key: Key = KEY) -> None:
        async def in_slot() -> int:
            async with self._slots.hold(key.namespace):
                return await work()

        self._start(key, subject, in_slot, enqueue)

    def last(self, subject: str = "uid") -> int | None:
        return self._results.get(subject)

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self._running.values(), return_exceptions=True), 5)


def returning(number: int) -> Work:
    async def work() -> int:
        return number

    return work


async def test_a_new_result_enqueues_its_object_after_the_work_ended() -> None:
    counter = Counter(8, 8)
    enqueued: list[tuple[Key, bool, int | None]] = []

    def enqueue(key: Key) -> None:
        enqueued.append((key, counter.running(key), counter.last()))

    for number in (1, 1, 2):
        counter.start(returning(number), enqueue)
        assert counter.running(KEY)
        await counter.ended()
    assert enqueued == [(KEY, False, 1), (KEY, False, 2)]


async def test_a_second_task_for_an_object_is_not_started() -> None:
    counter = Counter(8, 8)
    enqueued: list[Key] = []
    counter.start(returning(1), enqueued.append)
    counter.start(returning(2), enqueued.append, "another subject")
    await counter.ended()
    assert (counter.last(), counter.last("another subject"), enqueued) == (1, None, [KEY])


async def test_no_more_tasks_than_slots_work_at_the_same_time() -> None:
    working = most = 0

    async def work() -> int:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.01)
        working -= 1
        return 1

    counter = Counter(3, 3)
    for number in range(10):
        counter.start(work, lambda key: None, f"uid-{number}", KEY._replace(name=f"run-{number}"))
    await counter.ended()
    assert (most, len(counter)) == (3, 10)


async def test_work_of_one_namespace_that_never_ends_leaves_slots_to_the_others() -> None:
    """Sources and hooks that do not answer keep their own namespace waiting, and no other one."""

    async def silent() -> int:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing answers")

    counter, enqueued = Counter(3, 2), list[Key]()
    for number in range(5):
        counter.start(silent, enqueued.append, f"uid-{number}", KEY._replace(name=f"hanging-{number}"))
    other = KEY._replace(namespace="team-b")
    counter.start(returning(1), enqueued.append, "other", other)
    await asyncio.wait_for(counter._running[other], 5)
    assert (counter.last("other"), enqueued) == (1, [other])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_work_that_raises_enqueues_its_object_and_can_be_started_again() -> None:
    async def broken() -> int:
        raise RuntimeError("a bug")

    counter = Counter(8, 8)
    enqueued: list[Key] = []
    counter.start(broken, enqueued.append)
    await counter.ended()
    assert (enqueued, counter.running(KEY), len(counter)) == ([KEY], False, 0)
    counter.start(returning(1), enqueued.append)
    await counter.ended()
    assert counter.last() == 1


async def test_the_result_of_a_deleted_subject_is_not_kept() -> None:
    counter = Counter(8, 8)
    counter.start(returning(1), lambda key: None)
    counter.keep_only(lambda subject: False)
    await counter.ended()
    assert len(counter) == 0


async def test_a_forgotten_result_is_replaced_by_that_of_running_work() -> None:
    counter = Counter(8, 8)
    counter.start(returning(1), lambda key: None)
    counter.forget("uid")
    await counter.ended()
    assert counter.last() == 1
