"""InferenceService: serve the selected version, and replace it by a newer one without a lost request."""

from collections.abc import Iterable
from functools import partial

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.analysis.memory import AnalysisMemory
from modelops.controllers.inferenceservice.analysis.pod_looks import PodLooks
from modelops.controllers.inferenceservice.observe import SERVER_OF, VERSION_OF
from modelops.controllers.inferenceservice.pod.template import COMPONENT
from modelops.controllers.inferenceservice.reconcile import decide
from modelops.controllers.metadata import kind_label
from modelops.controllers.owned import by_owner
from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import by_label
from modelops.machinery.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    INFERENCE_SERVICES,
    JOBS,
    PODS,
    SERVICES,
    Body,
    Key,
)

_KIND = InferenceService.__name__
_SELECTS_MODEL = "selects-model"
_SELECTS_VERSION = "selects-version"


def controller() -> Controller:
    """Return the controller of InferenceServices."""
    return Controller(
        resource=INFERENCE_SERVICES,
        kind=InferenceService,
        decide=partial(decide, memory=AnalysisMemory(), looks=PodLooks()),
        event_mappings={
            DEPLOYMENTS.kind: by_label(_KIND),
            PODS.kind: by_label(_KIND),
            SERVICES.kind: by_label(_KIND),
            JOBS.kind: by_label(_KIND),
            CONFIG_MAPS.kind: by_label(_KIND),
            AUTOSCALERS.kind: by_label(_KIND),
            DISRUPTION_BUDGETS.kind: by_label(_KIND),
            ModelVersion.__name__: _services_of_version,
        },
        indexers={
            _KIND: _selection_of,
            ModelVersion.__name__: _version_index,
            PODS.kind: _pod_index,
            JOBS.kind: by_owner,
            DEPLOYMENTS.kind: by_owner,
            CONFIG_MAPS.kind: by_owner,
            AUTOSCALERS.kind: by_owner,
            DISRUPTION_BUDGETS.kind: by_owner,
        },
    )


def _selection_of(body: Body) -> Iterable[IndexKey]:
    namespace, model = body["metadata"]["namespace"], body["spec"]["model"]
    if model.get("version"):
        return [(_SELECTS_VERSION, namespace, model["version"])]
    return [(_SELECTS_MODEL, namespace, model["name"])]


def _services_of_version(body: Body, cache: Cache) -> list[Key]:
    metadata = body["metadata"]
    namespace = metadata["namespace"]
    return [
        *cache.find(_SELECTS_VERSION, namespace, metadata["name"], kind=_KIND),
        *cache.find(_SELECTS_MODEL, namespace, body["spec"]["model"], kind=_KIND),
    ]


def _version_index(body: Body) -> Iterable[IndexKey]:
    return [(VERSION_OF, body["metadata"]["namespace"], body["spec"]["model"])]


def _pod_index(body: Body) -> Iterable[IndexKey]:
    """Index a server's Pod by its InferenceService, and a check's Pod by its Job."""
    yield from by_owner(body)
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    name = labels.get(kind_label(_KIND))
    if name and labels.get("app.kubernetes.io/component") == COMPONENT:
        yield SERVER_OF, metadata["namespace"], name
