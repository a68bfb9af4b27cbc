"""ModelVersion: evaluates the gates, waits for approval, decides whether the version may serve."""

from collections.abc import Iterable

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.modelversion.reconcile import decide
from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.controller import Controller
from modelops.machinery.resources import MODEL_VERSIONS, Body, Key

_SERVED_BY = "served-by"
"""Index of ModelVersions by the InferenceServices in their status.servedBy."""


def controller() -> Controller:
    """Build the controller of ModelVersions."""
    return Controller(
        resource=MODEL_VERSIONS,
        kind=ModelVersion,
        decide=decide,
        event_mappings={InferenceService.__name__: _served},
        indexers={InferenceService.__name__: _serving, ModelVersion.__name__: _served_by},
    )


def _served(body: Body, cache: Cache) -> Iterable[Key]:
    """Return the versions that an InferenceService serves, and those whose status still says so."""
    metadata, kind = body["metadata"], ModelVersion.__name__
    namespace = metadata["namespace"]
    served = {Key(kind, namespace, name) for name in _versions(body)}
    return served.union(cache.find(_SERVED_BY, namespace, metadata["name"], kind=kind))


def _served_by(body: Body) -> Iterable[IndexKey]:
    namespace = body["metadata"]["namespace"]
    return [(_SERVED_BY, namespace, name) for name in body.get("status", {}).get("servedBy", [])]


def _serving(body: Body) -> Iterable[IndexKey]:
    namespace = body["metadata"]["namespace"]
    return [("serves", namespace, name) for name in _versions(body)]


def _versions(body: Body) -> set[str]:
    """Return the names of an InferenceService's stable and candidate version."""
    status = body.get("status", {})
    return {status[part]["version"] for part in ("stable", "candidate") if status.get(part)}
