"""A reconcile that hangs is ended and shown, and keeps neither the others nor the operator from working."""

import asyncio
import time
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from modelops.api.dataset import Dataset
from modelops.machinery import reconcile
from modelops.machinery.conditions import ready
from modelops.machinery.context import ReconcileContext
from modelops.machinery.controller import Controller
from modelops.machinery.freshness import Freshness
from modelops.machinery.health import problems
from modelops.machinery.plan import Plan
from modelops.machinery.resources import DATASETS, Key
from modelops.machinery.runtime import Runtime
from modelops.machinery.scheduling.priority_slots import PrioritySlots
from modelops.machinery.scheduling.queue import Queue
from support.builders.common import settings

HANGING = [Key("Dataset", "hanging", f"d{number}") for number in range(9)]
CALM = Key("Dataset", "calm", "one")


class Statuses:
    """API server that keeps the message of each status written to it."""

    def __init__(self) -> None:
        self.written: dict[Key, str] = {}
        self.complete = asyncio.Event()

    async def patch_status(self, resource: Any, namespace: str, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        self.written[Key(resource.kind, namespace, name)] = patch["status"]["conditions"][0]["message"]
        if set(self.written) == {*HANGING, CALM}:
            self.complete.set()
        return {"uid": patch["metadata"]["uid"], "name": name, "namespace": namespace, "resourceVersion": "2"}


async def decide(parent: Dataset, context: ReconcileContext) -> Plan:
    if parent.metadata.namespace == "hanging":
        await asyncio.get_running_loop().create_future()
    return Plan(conditions=ready("Synced", "as it should be"))


def watched(runtime: Runtime, key: Key) -> None:
    """Let the watch deliver a Dataset."""
    metadata = {"name": key.name, "namespace": key.namespace, "uid": f"{key}", "resourceVersion": "1"}
    spec = {"source": {"s3": {"bucket": "data"}}, "format": {"type": "csv"}}
    runtime._dispatcher.on_event(DATASETS, None, {"kind": "Dataset", "metadata": metadata, "spec": spec})


async def test_reconciles_that_hang_are_ended_and_shown_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more objects that hang than there are slots, another namespace's object is reconciled all the same."""
    monkeypatch.setattr(reconcile, "_DEADLINE_SECONDS", 0.05)
    server = Statuses()
    controller = Controller(DATASETS, Dataset, decide, {}, {})
    runtime = Runtime(settings(workers=2), cast(Any, server), [controller])
    labels = {"kind": "Dataset", "result": "deadline"}
    before = REGISTRY.get_sample_value("modelops_reconciles_total", labels) or 0.0
    for key in [*HANGING, CALM]:
        watched(runtime, key)
    async with asyncio.TaskGroup() as group:
        processing = group.create_task(runtime._process_queue(group))
        await asyncio.wait_for(server.complete.wait(), 20)
        processing.cancel()
    message = "reconcile stopped after 0.05 s; retrying with exponential backoff"
    assert server.written == {**dict.fromkeys(HANGING, message), CALM: "as it should be"}
    after = REGISTRY.get_sample_value("modelops_reconciles_total", labels)
    assert after is not None
    assert after - before >= len(HANGING)


async def test_a_timeout_within_a_reconcile_is_not_taken_for_its_deadline() -> None:
    """A bug is logged as one."""

    async def broken(parent: Dataset, context: ReconcileContext) -> Plan:
        raise TimeoutError("of something else")

    runtime = Runtime(settings(), cast(Any, Statuses()), [])
    controller = Controller(DATASETS, Dataset, broken, {}, {})
    with pytest.raises(TimeoutError, match="of something else"):
        await runtime._reconciler._execute_in_time(controller, CALM, cast(Any, None), {})


async def test_a_reconcile_that_cannot_decide_yet_changes_nothing() -> None:
    """What it waits for is read in the background. It is no success either: the next one may fail again."""

    async def not_yet(parent: Dataset, context: ReconcileContext) -> Plan | None:
        return None

    server = Statuses()
    runtime = Runtime(settings(), cast(Any, server), [Controller(DATASETS, Dataset, not_yet, {}, {})])
    watched(runtime, CALM)
    assert runtime._queue.take() == CALM
    assert runtime._queue.failed(CALM) == 1
    await runtime._reconcile(CALM)
    assert server.written == {}
    assert runtime._queue.failed(CALM) == 2


def test_one_key_that_stays_does_not_end_the_leader_while_others_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet restarts the operator where nothing moves, not where one object, or one namespace, is slow."""
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    slots = PrioritySlots(4)
    queue = Queue(slots)
    queue.add(HANGING[0])
    queue.take()
    for _ in range(3):
        now += 800
        queue.add(CALM)
        assert queue.take() == CALM
        slots.release(CALM.namespace)
        queue.done(CALM)
        assert problems(Freshness(), queue, leading=True) == []
    now += 901
    assert problems(Freshness(), queue, leading=True) == ["no reconcile has begun or ended for 901 s, though keys wait"]
    assert problems(Freshness(), queue, leading=False) == []
    queue.done(HANGING[0])
    assert problems(Freshness(), queue, leading=True) == []
    now += 901
    queue.add(CALM)
    assert problems(Freshness(), queue, leading=True) == [], "an empty queue is no standstill"
