"""Whom a change of an InferenceService concerns."""

from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.modelversion import controller
from modelops.machinery.cache import Cache
from modelops.machinery.resources import Key


def _body(kind: str, name: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team", "resourceVersion": "1", "uid": name}
    return {"kind": kind, "metadata": metadata, "status": status}


def test_the_version_that_a_service_has_left_is_looked_at_too() -> None:
    """Otherwise it would say that it serves for ever."""
    it = controller()
    cache = Cache(dict(it.indexers))
    cache.put(_body("ModelVersion", "v1", servedBy=["s"]))
    cache.put(_body("ModelVersion", "v2"))
    moved = _body("InferenceService", "s", stable={"version": "v2"})
    woken = it.event_mappings[InferenceService.__name__](moved, cache)
    assert set(woken) == {Key(ModelVersion.__name__, "team", name) for name in ("v1", "v2")}
