"""The queue: no key is lost, none is worked on twice at once, and a failing one does not hold up the others."""

import asyncio

from modelops.machinery.queue import Queue
from modelops.machinery.resources import Key

A, B = Key("Dataset", "n", "a"), Key("Dataset", "n", "b")


async def soon(queue: Queue) -> Key:
    return await asyncio.wait_for(queue.get(), 2)


async def nothing(queue: Queue) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.05)
    except TimeoutError:
        return True
    return False


async def test_many_changes_are_one_look() -> None:
    """A storm of events about one object costs one reconcile, not one each."""
    queue = Queue()
    for _ in range(100):
        queue.add(A)
    assert await soon(queue) == A
    queue.done(A)
    assert await nothing(queue)


async def test_a_change_during_work_is_not_lost() -> None:
    """What changes after a reconcile has read it is looked at once more afterwards, and never at the same time."""
    queue = Queue()
    queue.add(A)
    await soon(queue)
    queue.add(A)
    queue.add(A)
    assert await nothing(queue)
    queue.done(A)
    assert await soon(queue) == A
    queue.done(A)
    assert await nothing(queue)


async def test_in_order() -> None:
    """Who came first is served first."""
    queue = Queue()
    queue.add(B)
    queue.add(A)
    assert [await soon(queue), await soon(queue)] == [B, A]


async def test_the_earliest_time_counts() -> None:
    """A later wish never puts off an earlier one."""
    queue = Queue()
    queue.add_after(A, 0.01)
    queue.add_after(A, 60)
    assert await soon(queue) == A
    queue.done(A)
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    assert await soon(queue) == A


async def test_a_look_in_between_takes_the_timer_along() -> None:
    """A reconcile says anew when to look again: an old timer must not cause a look that nobody asked for."""
    queue = Queue()
    queue.add_after(A, 0.03)
    queue.add(A)
    await soon(queue)
    queue.done(A)
    await asyncio.sleep(0.05)
    assert await nothing(queue)


async def test_failures_back_off_and_are_forgotten() -> None:
    """A key that fails is tried again with growing pauses; after a success it starts from the beginning."""
    queue = Queue()
    assert [queue.failed(A), queue.failed(A)] == [1, 2]
    assert await soon(queue) == A
    queue.succeeded(A)
    queue.done(A)
    assert queue.failed(A) == 1


async def test_every_waiting_worker_gets_its_key() -> None:
    """Two workers that wait are both woken by two keys."""
    queue = Queue()
    workers = [asyncio.create_task(soon(queue)) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A)
    queue.add(B)
    assert set(await asyncio.gather(*workers)) == {A, B}


async def test_a_worker_that_is_cancelled_does_not_take_a_wake_up_along() -> None:
    """A wake-up given to a worker that ends is not the others' loss."""
    queue = Queue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(soon(queue))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    queue.add(A)
    assert await second == A


async def test_the_age_of_the_oldest_key() -> None:
    """Liveness rests on this: a key in work counts as well as one that waits."""
    queue = Queue()
    assert queue.oldest_seconds() == 0
    queue.add(A)
    await asyncio.sleep(0.02)
    await soon(queue)
    assert queue.oldest_seconds() >= 0.02
    queue.done(A)
    assert queue.oldest_seconds() == 0


async def test_what_waited_for_a_leader_is_not_old() -> None:
    """A replica that takes over must not be ended for what waited while it stood by."""
    queue = Queue()
    queue.add(A)
    await asyncio.sleep(0.05)
    waited = queue.oldest_seconds()
    queue.reset_ages()
    assert queue.oldest_seconds() < waited
    assert await soon(queue) == A
