"""Events are counted in a metric, since Kubernetes deletes them after an hour, and are written for every namespace."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from modelops.machinery import events
from modelops.machinery.events import EventRecorder
from modelops.machinery.plan import Event
from modelops.machinery.resources import DATASETS, Key
from support.builders.datasets import dataset


async def test_every_event_is_counted_by_its_reason() -> None:
    """Prometheus must know how often data was rejected in the last month."""

    def counted(reason: str) -> float:
        value = REGISTRY.get_sample_value("modelops_events_total", {"kind": "Dataset", "reason": reason})
        return value or 0.0

    before, other = counted("CandidateRejected"), counted("SnapshotTaken")
    recorder = EventRecorder(cast(Any, None), "test")
    recorder.record(Key("Dataset", "team-a", "mortgage"), dataset(), DATASETS, Event("CandidateRejected", "it is bad"))
    assert (counted("CandidateRejected"), counted("SnapshotTaken")) == (before + 1, other)


class Written:
    """API server that keeps the Events written to it, and ends the writing after a number of them."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.notes: list[str] = []

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.notes.append(f"{body['metadata']['namespace']} {body['note']}")
        if len(self.notes) == self.until:
            raise asyncio.CancelledError
        return body


async def test_a_flood_in_one_namespace_neither_drops_nor_delays_events_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_PAUSE_SECONDS", 0)
    server = Written(until=4)
    recorder = EventRecorder(cast(Any, server), "test")

    def record(namespace: str, note: str) -> None:
        recorder.record(Key("Dataset", namespace, "one"), dataset(), DATASETS, Event("Reason", note))

    dropped = REGISTRY.get_sample_value("modelops_events_dropped_total") or 0.0
    for number in range(events._QUEUE_LIMIT + 5):
        record("flood", str(number))
    record("calm", "a")
    record("calm", "b")
    assert REGISTRY.get_sample_value("modelops_events_dropped_total") == dropped + 7
    with contextlib.suppress(asyncio.CancelledError):
        await recorder.run()
    assert server.notes == ["flood 0", "calm a", "flood 1", "calm b"]


async def test_an_event_that_arrives_later_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PAUSE_SECONDS", 0)
    server = Written(until=1)
    recorder = EventRecorder(cast(Any, server), "test")
    writing = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    recorder.record(Key("Dataset", "n", "one"), dataset(), DATASETS, Event("Reason", "late"))
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(writing, 5)
    assert server.notes == ["n late"]
