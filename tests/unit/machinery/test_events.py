"""Events: what is told of an object is counted as well, since Kubernetes forgets it after an hour."""

from typing import Any, cast

from prometheus_client import REGISTRY

from modelops.machinery.events import EventRecorder
from modelops.machinery.plan import Event
from modelops.machinery.resources import DATASETS, Key
from support.builders.datasets import dataset


async def test_every_event_is_counted_by_its_reason() -> None:
    """How often data was rejected in the last month is a question for Prometheus."""

    def counted(reason: str) -> float:
        found = REGISTRY.get_sample_value("modelops_events_total", {"kind": "Dataset", "reason": reason})
        return found or 0.0

    before, other = counted("CandidateRejected"), counted("SnapshotTaken")
    recorder = EventRecorder(cast(Any, None), "test")
    recorder.record(Key("Dataset", "team-a", "mortgage"), dataset(), DATASETS, Event("CandidateRejected", "it is bad"))
    assert (counted("CandidateRejected"), counted("SnapshotTaken")) == (before + 1, other)
