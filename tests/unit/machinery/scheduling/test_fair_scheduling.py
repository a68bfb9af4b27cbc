"""Namespaces share the slots of reconciles: none waits for all of another's work, and no key is lost on the way."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from modelops.machinery.resources import Key
from modelops.machinery.scheduling.fair_turns import FairTurns
from modelops.machinery.scheduling.priority_slots import Priority, PrioritySlots
from modelops.machinery.scheduling.queue import Queue

SLOTS = 4
SHARE = 2
NAMESPACES = st.sampled_from(["a", "b", "c", "d"])
KEYS = st.builds(Key, st.just("Dataset"), NAMESPACES, st.sampled_from(["one", "two", "three"]))


class Reconciles(RuleBasedStateMachine):
    """Keys that are added, reconciled in two parts (children, then status) and ended, in any order."""

    deciding: Bundle[Key] = Bundle("deciding")
    writing: Bundle[Key] = Bundle("writing")

    def __init__(self) -> None:
        super().__init__()
        self.slots = PrioritySlots(SLOTS)
        self.queue = Queue(self.slots)
        self.owed: set[Key] = set()
        """Keys that changed since their last reconcile began."""
        self.running: dict[Key, bool] = {}
        """Keys that are reconciled; whether they hold a slot."""

    @rule(key=KEYS)
    def change(self, key: Key) -> None:
        self.owed.add(key)
        self.queue.add(key)

    @rule(target=deciding)
    def begin(self) -> Any:
        key = self.queue.take()
        if key is None:
            return multiple()
        assert key not in self.running, "a key is reconciled twice at once"
        assert key in self.owed, "a key is reconciled without a change"
        self.owed.discard(key)
        self.running[key] = True
        return key

    @rule(key=deciding, target=writing)
    def write_children(self, key: Key) -> Any:
        if not self.running.get(key):
            return multiple()
        self.slots.release(key.namespace)
        self.running[key] = False
        return key

    @rule(key=writing)
    def end(self, key: Key) -> None:
        if self.running.get(key) is False:
            del self.running[key]
            self.queue.done(key)

    @invariant()
    def no_more_keys_hold_a_slot_than_there_are(self) -> None:
        assert sum(self.running.values()) <= SLOTS

    def teardown(self) -> None:
        """Every key that changed is reconciled in the end."""
        for _ in range(4 * (len(self.owed) + len(self.running) + 1)):
            for key, holds in list(self.running.items()):
                if holds:
                    self.slots.release(key.namespace)
                del self.running[key]
                self.queue.done(key)
            for key in started(self.queue):
                assert key not in self.running
                self.owed.discard(key)
                self.running[key] = True
        assert not self.owed


TestReconciles = Reconciles.TestCase


class Turns(RuleBasedStateMachine):
    """Items of several namespaces that wait for places."""

    @initialize(lends=st.booleans())
    def begin(self, lends: bool) -> None:
        self.lends = lends
        self.turns: FairTurns[int] = FairTurns(SLOTS, SHARE, lends=lends)
        self.waiting: dict[str, list[tuple[int, int]]] = {}
        self.taken: Counter[str] = Counter()
        self.overtaken: Counter[str] = Counter()
        self.bound: dict[str, int] = {}
        self.number = 0

    @rule(namespace=NAMESPACES, priority=st.sampled_from([0, 1]))
    def wait(self, namespace: str, priority: int) -> None:
        self.number += 1
        if not self.waiting.get(namespace):
            self.bound[namespace] = sum(1 for items in self.waiting.values() if items)
            self.overtaken[namespace] = 0
        self.waiting.setdefault(namespace, []).append((priority, self.number))
        self.turns.add(namespace, self.number, priority)

    @rule()
    def take(self) -> None:
        below = {name for name, items in self.waiting.items() if items and self.taken[name] < SHARE}
        turn = self.turns.take()
        if turn is None:
            full = self.taken.total() == SLOTS
            nobody = not any(self.waiting.values())
            assert full or nobody or (not below and not self.lends), "a place is free, and somebody may have it"
            return
        namespace, item = turn
        assert min(self.waiting[namespace])[1] == item, "lower priority first, then in the order of arrival"
        self.waiting[namespace].remove(min(self.waiting[namespace]))
        assert namespace in below or (not below and self.lends), "more than a share only while no other one waits"
        self.taken[namespace] += 1
        assert self.taken.total() <= SLOTS
        for other in below - {namespace}:
            self.overtaken[other] += 1
            assert self.overtaken[other] <= self.bound[other], "one turn of each namespace that waited before"
        self.bound[namespace] = sum(1 for name, items in self.waiting.items() if items and name != namespace)
        self.overtaken[namespace] = 0

    @rule(namespace=NAMESPACES)
    def release(self, namespace: str) -> None:
        if self.taken[namespace]:
            self.taken[namespace] -= 1
            self.turns.release(namespace)


TestTurns = Turns.TestCase


def noting(order: list[str], name: str) -> Callable[[], bool]:
    def grant() -> bool:
        order.append(name)
        return True

    return grant


def keys(namespace: str, count: int) -> list[Key]:
    return [Key("Dataset", namespace, f"{number:04}") for number in range(count)]


@pytest.fixture
def queue() -> tuple[Queue, PrioritySlots]:
    slots = PrioritySlots(SLOTS)
    return Queue(slots), slots


def started(queue: Queue) -> list[Key]:
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
    return found


def test_a_namespace_alone_has_all_slots(queue: tuple[Queue, PrioritySlots]) -> None:
    for key in keys("a", 9):
        queue[0].add(key)
    assert started(queue[0]) == keys("a", SLOTS)


def test_one_object_is_next_though_a_thousand_of_another_namespace_wait(queue: tuple[Queue, PrioritySlots]) -> None:
    """Objects of a flood are reconciled one by one with the others', not before them."""
    for key in [*keys("a", 1_000), *keys("b", 1)]:
        queue[0].add(key)
    started(queue[0])
    queue[1].release("a")
    assert started(queue[0]) == keys("b", 1)


def test_two_namespaces_share_the_slots_that_become_free(queue: tuple[Queue, PrioritySlots]) -> None:
    """Reconciles of one namespace that hang keep at most half of the slots from another that has work."""
    for key in [*keys("a", 9), *keys("b", 9)]:
        queue[0].add(key)
    started(queue[0])
    for _ in range(2):
        queue[1].release("a")
    assert started(queue[0]) == keys("b", SHARE)
    queue[1].release("b")
    assert started(queue[0]) == [keys("b", 3)[2]]


async def test_a_status_of_one_namespace_does_not_wait_for_all_children_of_another() -> None:
    """Creating children comes first within a namespace only: a flood does not hold up everybody's statuses."""
    slots, order = PrioritySlots(1), list[str]()
    await slots.acquire("a")
    for number in range(3):
        slots.wait("a", noting(order, f"children {number}"), Priority.CHILDREN)
    slots.wait("b", noting(order, "status"), Priority.STATUS)
    for namespace in ("a", "a", "b", "a", "a"):
        slots.release(namespace)
    assert order == ["children 0", "status", "children 1", "children 2"]


async def test_a_burst_of_children_in_one_namespace_delays_no_status_of_another() -> None:
    slots = PrioritySlots(1)
    for _ in range(8):
        slots.child_created("a")
    async with slots.hold("b", Priority.STATUS):
        pass


async def test_a_waiter_that_has_gone_passes_its_slot_on() -> None:
    slots, granted_to = PrioritySlots(1), list[str]()
    await slots.acquire("a")
    slots.wait("a", lambda: False)
    slots.wait("b", noting(granted_to, "b"))
    slots.release("a")
    assert granted_to == ["b"]
