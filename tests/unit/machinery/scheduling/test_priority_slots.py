"""Slots limit concurrent reconciles, children come before statuses, and no slot is lost."""

import asyncio

import pytest

from modelops.machinery.scheduling.priority_slots import Priority, PrioritySlots
from support.manual_clock import ManualClock


async def test_no_more_reconciles_run_than_there_are_slots() -> None:
    """The API server gets no more concurrent requests than the setting allows, however many objects there are."""
    slots, running, most = PrioritySlots(3), 0, 0

    async def work() -> None:
        nonlocal running, most
        async with slots.hold("n", Priority.CHILDREN):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 3


async def test_children_are_written_before_statuses() -> None:
    """With many objects at once, Jobs are created before statuses are written, in the order of arrival each."""
    slots, done = PrioritySlots(1), list[int]()

    async def work(priority: Priority, number: int) -> None:
        async with slots.hold("n", priority):
            done.append(number)

    await slots.acquire("n", Priority.CHILDREN)
    arrivals = [Priority.STATUS, Priority.STATUS, Priority.CHILDREN, Priority.CHILDREN]
    tasks = [asyncio.create_task(work(priority, number)) for number, priority in enumerate(arrivals)]
    await asyncio.sleep(0)
    slots.release("n")
    await asyncio.gather(*tasks)
    assert done == [2, 3, 0, 1]


async def test_a_cancelled_waiter_loses_no_slot() -> None:
    """A reconcile that is cancelled while it waits, or just when it gets its slot, does not keep the slot."""
    slots = PrioritySlots(1)
    await slots.acquire("n", Priority.CHILDREN)
    waiting = [asyncio.create_task(slots.acquire("n", Priority.STATUS)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    slots.release("n")
    waiting[1].cancel()
    for task in waiting:
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.wait_for(slots.acquire("n", Priority.CHILDREN), 1)


async def test_statuses_wait_for_the_end_of_a_burst_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred runs applied at once have their Jobs before the API server gets five hundred statuses."""
    slots, clock, order = PrioritySlots(4), ManualClock(), list[str]()

    async def create_children(seconds: float) -> None:
        """Create as many children as make a burst while a status waits, three times."""
        clock.now += seconds
        if len(order) < 3:
            order.append("children")
            for _ in range(8):
                slots.child_created("n")

    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
    monkeypatch.setattr(asyncio, "sleep", create_children)
    for _ in range(8):
        slots.child_created("n")
    async with slots.hold("n", Priority.STATUS):
        order.append("status")
    assert order == ["children", "children", "children", "status"]


async def test_the_status_of_a_single_child_is_written_at_once() -> None:
    """A person who applies one object does not wait."""
    slots = PrioritySlots(4)
    slots.child_created("n")
    writing = asyncio.create_task(slots.acquire("n", Priority.STATUS))
    await asyncio.sleep(0)
    assert writing.done()
