"""The lanes: never more at once than there are places, work before telling, and no place lost."""

import asyncio

import pytest

from modelops.machinery.priority_slots import Priority, PrioritySlots


async def test_no_more_at_once_than_places() -> None:
    """The API server is not asked for more at a time than the setting says, however much there is to do."""
    slots, at_once, most = PrioritySlots(3), 0, 0

    async def work() -> None:
        nonlocal at_once, most
        async with slots.hold(Priority.CHILDREN):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 3


async def test_children_go_before_statuses() -> None:
    """With many objects at once, Jobs are made before it is told that they are; within a lane the first is first."""
    slots, done = PrioritySlots(1), []

    async def work(lane: Priority, number: int) -> None:
        async with slots.hold(lane):
            done.append((lane, number))

    await slots.acquire(Priority.CHILDREN)
    lane_of = {0: Priority.STATUS, 1: Priority.STATUS, 2: Priority.CHILDREN, 3: Priority.CHILDREN}
    tasks = [asyncio.create_task(work(lane, number)) for number, lane in lane_of.items()]
    await asyncio.sleep(0)
    slots.release()
    await asyncio.gather(*tasks)
    assert [number for _, number in done] == [2, 3, 0, 1]


async def test_who_gives_up_leaves_no_gap() -> None:
    """A reconcile that is cancelled while it waits, or when its turn has just come, takes no place with it."""
    slots = PrioritySlots(1)
    await slots.acquire(Priority.CHILDREN)
    waiting = [asyncio.create_task(slots.acquire(Priority.STATUS)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    slots.release()
    waiting[1].cancel()
    for task in waiting:
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.wait_for(slots.acquire(Priority.CHILDREN), 1)


async def test_a_burst_of_work_is_told_of_once_it_is_over() -> None:
    """Five hundred runs applied at once have their Jobs before the API server is busy with five hundred statuses."""
    slots, order = PrioritySlots(4), []

    async def tell() -> None:
        async with slots.hold(Priority.STATUS):
            order.append("told")

    for _ in range(8):
        slots.child_created()
    telling = asyncio.create_task(tell())
    for _ in range(4):
        await asyncio.sleep(0.05)
        slots.child_created()
    order.append("made")
    await asyncio.wait_for(telling, 2)
    assert order == ["made", "told"]


async def test_one_child_is_told_of_at_once() -> None:
    """Who applies one object waits for nobody."""
    slots = PrioritySlots(4)
    slots.child_created()
    async with asyncio.timeout(0.1), slots.hold(Priority.STATUS):
        pass
