"""Everything that a ModelVersion's decisions depend on, in one Observation."""

from dataclasses import dataclass
from datetime import datetime

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.machinery.context import ReconcileContext
from modelops.machinery.settings import Store


@dataclass(frozen=True)
class Observation:
    """A version, the settings of the store, the names of the InferenceServices that serve it, and the time."""

    version: ModelVersion
    store: Store
    served_by: tuple[str, ...]
    now: datetime


def observe(version: ModelVersion, context: ReconcileContext) -> Observation:
    """Gather the Observation of a version from the cache alone."""
    meta = version.metadata
    services = context.cache.bodies("serves", meta.namespace, meta.name, kind=InferenceService.__name__)
    serving = tuple(
        body["metadata"]["name"]
        for body in services
        if body.get("status", {}).get("stable", {}).get("version") == meta.name
    )
    return Observation(version, context.settings.store, serving, context.now)
