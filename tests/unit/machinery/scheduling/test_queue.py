"""The queue loses no key, never returns a key twice at once, and a failing key does not delay the others."""

import asyncio

from modelops.machinery.resources import Key
from modelops.machinery.scheduling.priority_slots import PrioritySlots
from modelops.machinery.scheduling.queue import Queue

SLOTS = 8
A, B = Key("Dataset", "n", "a"), Key("Dataset", "n", "b")


def new_queue() -> Queue:
    return Queue(PrioritySlots(SLOTS))


async def get_soon(queue: Queue) -> Key:
    return await asyncio.wait_for(queue.get(), 2)


async def stays_empty(queue: Queue) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.05)
    except TimeoutError:
        return True
    return False


async def test_many_changes_give_one_reconcile() -> None:
    """A hundred events of one object cost one reconcile, not a hundred."""
    queue = new_queue()
    for _ in range(100):
        queue.add(A)
    assert await get_soon(queue) == A
    queue.done(A)
    assert await stays_empty(queue)


async def test_a_key_added_while_it_is_processed_is_queued_again() -> None:
    """A change after a reconcile has read the object causes another reconcile afterwards, never at the same time."""
    queue = new_queue()
    queue.add(A)
    await get_soon(queue)
    queue.add(A)
    queue.add(A)
    assert await stays_empty(queue)
    queue.done(A)
    assert await get_soon(queue) == A
    queue.done(A)
    assert await stays_empty(queue)


async def test_keys_are_returned_in_the_order_of_arrival() -> None:
    """An object waits no longer than those that changed before it."""
    queue = new_queue()
    queue.add(B)
    queue.add(A)
    assert [await get_soon(queue), await get_soon(queue)] == [B, A]


async def test_the_earliest_of_several_times_counts() -> None:
    """A later time never postpones an earlier one."""
    queue = new_queue()
    queue.add_after(A, 0.01)
    queue.add_after(A, 60)
    assert await get_soon(queue) == A
    queue.done(A)
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    assert await get_soon(queue) == A


async def test_a_reconcile_cancels_the_pending_timer() -> None:
    """Each reconcile decides when the next is due: an old timer must not cause another one."""
    queue = new_queue()
    queue.add_after(A, 0.03)
    queue.add(A)
    await get_soon(queue)
    queue.done(A)
    await asyncio.sleep(0.05)
    assert await stays_empty(queue)


async def test_a_success_resets_the_backoff() -> None:
    """A key that fails is retried with exponential backoff, which starts again after a success."""
    queue = new_queue()
    assert [queue.failed(A), queue.failed(A)] == [1, 2]
    assert await get_soon(queue) == A
    queue.succeeded(A)
    queue.done(A)
    assert queue.failed(A) == 1


async def test_every_waiting_worker_gets_a_key() -> None:
    """Two keys resume two waiting workers."""
    queue = new_queue()
    workers = [asyncio.create_task(get_soon(queue)) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add(A)
    queue.add(B)
    assert set(await asyncio.gather(*workers)) == {A, B}


async def test_a_cancelled_worker_does_not_swallow_a_notification() -> None:
    """A key added while a waiting worker is cancelled is returned to another worker."""
    queue = new_queue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(get_soon(queue))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    queue.add(A)
    assert await second == A


async def test_the_oldest_age_includes_processing() -> None:
    """The liveness probe uses this age: a reconcile that hangs must count as well as a key that waits."""
    queue = new_queue()
    assert queue.oldest_seconds() == 0
    queue.add(A)
    await asyncio.sleep(0.02)
    await get_soon(queue)
    assert queue.oldest_seconds() >= 0.02
    queue.done(A)
    assert queue.oldest_seconds() == 0


async def test_a_new_leader_counts_ages_from_its_start() -> None:
    """A replica that takes over must not be restarted for keys that waited while it was on standby."""
    queue = new_queue()
    queue.add(A)
    await asyncio.sleep(0.05)
    waited = queue.oldest_seconds()
    queue.reset_ages()
    assert queue.oldest_seconds() < waited
    assert await get_soon(queue) == A
