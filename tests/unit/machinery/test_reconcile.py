"""A request that arrives during a status write is not lost, and an object beyond its namespace's share says so."""

from typing import Any, cast

import pytest

from modelops.api.kinds import Metadata
from modelops.controllers import trainingrun
from modelops.machinery.cache import Cache
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import Dispatcher, indexers
from modelops.machinery.events import EventRecorder
from modelops.machinery.freshness import Freshness
from modelops.machinery.kube import Kube
from modelops.machinery.reconcile import Reconciler, changed_beside_spec
from modelops.machinery.resources import Body, Key, Resource
from modelops.machinery.scheduling.priority_slots import Priority, PrioritySlots
from modelops.machinery.scheduling.queue import Queue
from support.builders.common import settings

SEEN = {"name": "a", "annotations": {"modelops.dev/retry": "1"}, "labels": {"team": "a"}, "resourceVersion": "1"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"resourceVersion": "2"}, False, id="a new resourceVersion alone is not a change"),
        pytest.param({"annotations": {"modelops.dev/retry": "2"}}, True, id="another annotation is a change"),
        pytest.param({"annotations": {}}, True, id="a removed annotation is a change"),
        pytest.param({"labels": {"team": "b"}}, True, id="another label is a change"),
        pytest.param({"deletionTimestamp": "2026-11-05T12:00:00Z"}, True, id="a deletion is a change"),
    ],
)
def test_a_change_during_a_status_write_is_noticed(change: dict[str, Any], expected: bool) -> None:
    """The response to the status write puts the change into the cache, so the watch event then is not newer."""
    assert changed_beside_spec(Metadata.model_validate(SEEN), Metadata.model_validate(SEEN | change)) is expected


class StatusWrites:
    """An API that records the writes of a status."""

    def __init__(self) -> None:
        self.patches: list[Body] = []

    async def patch_status(self, resource: Resource, namespace: str, name: str, patch: Body) -> Body:
        """Record a write."""
        self.patches.append(patch)
        return {"name": name, "namespace": namespace, "uid": "u", "resourceVersion": "2"}


async def reconcile(body: Body, api: StatusWrites) -> None:
    """Reconcile a TrainingRun whose namespace has no room for it."""
    controllers: list[Controller] = [trainingrun.controller()]
    cache, slots = Cache(indexers(controllers), mebibytes_per_namespace=1), PrioritySlots(1)
    cache.put(body)
    kube = cast(Kube, api)
    dispatcher = Dispatcher(cache, Queue(slots), controllers, Freshness())
    reconciler = Reconciler(kube, cache, settings(), EventRecorder(kube, "test"), dispatcher, slots)
    await slots.acquire("n", Priority.CHILDREN)
    await reconciler.reconcile(controllers[0], Key("TrainingRun", "n", "large"))


async def test_an_object_beyond_its_namespaces_share_says_so_once() -> None:
    """Silence would look like an operator that is down; a write at each reconcile would wake the object for ever."""
    body: Body = {
        "kind": "TrainingRun",
        "metadata": {"name": "large", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 3},
        "spec": {"parameters": {"text": "x" * 2_000_000}},
    }
    api = StatusWrites()
    await reconcile(body, api)
    (patch,) = api.patches
    stalled = next(each for each in patch["status"]["conditions"] if each["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"], stalled["observedGeneration"]) == ("True", "NamespaceTooLarge", 3)
    assert "raise cache.mebibytesPerNamespace" in stalled["message"]
    await reconcile({**body, "status": patch["status"]}, api)
    assert len(api.patches) == 1
