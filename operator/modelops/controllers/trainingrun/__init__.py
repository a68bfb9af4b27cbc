"""TrainingRun: keeps a model in being for the current inputs, and trains only where there is none."""

from collections.abc import Iterable
from functools import partial

from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.jobs import by_owner
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.reconcile import decide
from modelops.controllers.trainingrun.sweep.event_mapping import sweep_of
from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import by_label
from modelops.machinery.resources import JOBS, PODS, SERVICES, TRAINING_RUNS, Body, Key

_KIND = TrainingRun.__name__


def controller() -> Controller:
    """The controller of TrainingRuns."""
    return Controller(
        resource=TRAINING_RUNS,
        kind=TrainingRun,
        decide=partial(decide, poller=ProgressPoller()),
        event_mappings={
            JOBS.kind: by_label(_KIND),
            PODS.kind: by_label(_KIND),
            _KIND: sweep_of,
            ModelVersion.__name__: by_label(_KIND),
            Dataset.__name__: _users_of_dataset,
        },
        indexers={
            _KIND: _by_inputs,
            JOBS.kind: by_owner,
            PODS.kind: by_owner,
            SERVICES.kind: by_owner,
            ModelVersion.__name__: _input_key,
        },
    )


def _by_inputs(body: Body) -> Iterable[IndexKey]:
    """The sweep that a run is a trial of, the Datasets that it uses, and the inputs that it has a model for."""
    yield from by_owner(body)
    namespace, status = body["metadata"]["namespace"], body.get("status", {})
    for used in body["spec"].get("datasets", []):
        yield "uses-dataset", namespace, used["ref"]["name"]
    if status.get("outcome", {}).get("state") == "Succeeded" and "inputKey" in status:
        yield "input-key", namespace, status["inputKey"]


def _users_of_dataset(body: Body, cache: Cache) -> list[Key]:
    metadata = body["metadata"]
    return cache.find("uses-dataset", metadata["namespace"], metadata["name"], kind=_KIND)


def _input_key(body: Body) -> Iterable[IndexKey]:
    run = body["spec"].get("origin", {}).get("trainingRun")
    return [("input-key", body["metadata"]["namespace"], run["inputKey"])] if run else []
