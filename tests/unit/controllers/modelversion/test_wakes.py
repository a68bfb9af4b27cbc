"""Which ModelVersions are reconciled after a change of an InferenceService."""

from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.modelversion import controller
from modelops.machinery.cache import Cache
from modelops.machinery.resources import Key


def _body(kind: str, name: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "team", "resourceVersion": "1", "uid": name}
    return {"kind": kind, "metadata": metadata, "status": status}


def test_the_version_that_a_service_does_not_serve_any_more_is_reconciled() -> None:
    """Otherwise its status would say for ever that the service serves the version."""
    versions = controller()
    cache = Cache(dict(versions.indexers))
    cache.put(_body("ModelVersion", "v1", servedBy=["s"]))
    cache.put(_body("ModelVersion", "v2"))
    moved = _body("InferenceService", "s", stable={"version": "v2"})
    woken = versions.event_mappings[InferenceService.__name__](moved, cache)
    assert set(woken) == {Key(ModelVersion.__name__, "team", name) for name in ("v1", "v2")}
