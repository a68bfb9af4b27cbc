"""InferenceService: serves a version that may serve, and replaces it without a lost request."""

from collections.abc import Iterable
from functools import partial

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.observe import SERVER_OF, VERSION_OF
from modelops.controllers.inferenceservice.pod.template import COMPONENT
from modelops.controllers.inferenceservice.reconcile import Analyst, decide
from modelops.controllers.jobs import by_owner
from modelops.controllers.metadata import kind_label
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
_WANTS_MODEL = "wants-model"
_WANTS_VERSION = "wants-version"


def controller() -> Controller:
    """The controller of InferenceServices."""
    return Controller(
        resource=INFERENCE_SERVICES,
        kind=InferenceService,
        decide=partial(decide, analyst=Analyst()),
        event_mappings={
            DEPLOYMENTS.kind: by_label(_KIND),
            PODS.kind: by_label(_KIND),
            SERVICES.kind: by_label(_KIND),
            JOBS.kind: by_label(_KIND),
            CONFIG_MAPS.kind: by_label(_KIND),
            AUTOSCALERS.kind: by_label(_KIND),
            DISRUPTION_BUDGETS.kind: by_label(_KIND),
            ModelVersion.__name__: _who_wants,
        },
        indexers={
            _KIND: _wants,
            ModelVersion.__name__: _model_of,
            PODS.kind: _pods_of,
            JOBS.kind: by_owner,
            DEPLOYMENTS.kind: by_owner,
            CONFIG_MAPS.kind: by_owner,
            AUTOSCALERS.kind: by_owner,
            DISRUPTION_BUDGETS.kind: by_owner,
        },
    )


def _wants(body: Body) -> Iterable[IndexKey]:
    namespace, model = body["metadata"]["namespace"], body["spec"]["model"]
    if model.get("version"):
        return [(_WANTS_VERSION, namespace, model["version"])]
    return [(_WANTS_MODEL, namespace, model["name"])]


def _who_wants(body: Body, cache: Cache) -> list[Key]:
    metadata = body["metadata"]
    namespace = metadata["namespace"]
    return [
        *cache.find(_WANTS_VERSION, namespace, metadata["name"], kind=_KIND),
        *cache.find(_WANTS_MODEL, namespace, body["spec"]["model"], kind=_KIND),
    ]


def _model_of(body: Body) -> Iterable[IndexKey]:
    return [(VERSION_OF, body["metadata"]["namespace"], body["spec"]["model"])]


def _pods_of(body: Body) -> Iterable[IndexKey]:
    """Those that answer requests, by their InferenceService; those of checks by their Job."""
    yield from by_owner(body)
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    name = labels.get(kind_label(_KIND))
    if name and labels.get("app.kubernetes.io/component") == COMPONENT:
        yield SERVER_OF, metadata["namespace"], name
