"""TrainingRun: keep a model for the current inputs, and train only where none exists."""

from collections.abc import Iterable
from functools import partial

from modelops.api.dataset import Dataset
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.owned import by_owner
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.reconcile import decide
from modelops.controllers.trainingrun.sweep.event_mapping import sweep_of_trial
from modelops.controllers.trainingrun.sweep.suggester import Suggester
from modelops.machinery.cache import Cache, IndexKey
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import by_label
from modelops.machinery.resources import JOBS, PODS, SERVICES, TRAINING_RUNS, Body, Key

_KIND = TrainingRun.__name__


def controller() -> Controller:
    """Return the controller of TrainingRuns."""
    return Controller(
        resource=TRAINING_RUNS,
        kind=TrainingRun,
        decide=partial(decide, poller=ProgressPoller(), suggester=Suggester()),
        event_mappings={
            JOBS.kind: by_label(_KIND),
            PODS.kind: by_label(_KIND),
            _KIND: sweep_of_trial,
            ModelVersion.__name__: by_label(_KIND),
            Dataset.__name__: _users_of_dataset,
        },
        indexers={
            _KIND: _index_run,
            JOBS.kind: by_owner,
            PODS.kind: by_owner,
            SERVICES.kind: by_owner,
            ModelVersion.__name__: _index_version,
        },
    )


def _index_run(body: Body) -> Iterable[IndexKey]:
    """Index a run by its sweep, by its Datasets and, if it has succeeded, by its input key."""
    yield from by_owner(body)
    namespace, status = body["metadata"]["namespace"], body.get("status", {})
    for used in body["spec"].get("datasets", []):
        yield "uses-dataset", namespace, used["ref"]["name"]
    if status.get("outcome", {}).get("state") == "Succeeded" and "inputKey" in status:
        yield "input-key", namespace, status["inputKey"]


def _users_of_dataset(body: Body, cache: Cache) -> list[Key]:
    metadata = body["metadata"]
    return cache.find("uses-dataset", metadata["namespace"], metadata["name"], kind=_KIND)


def _index_version(body: Body) -> Iterable[IndexKey]:
    run = body["spec"].get("origin", {}).get("trainingRun")
    return [("input-key", body["metadata"]["namespace"], run["inputKey"])] if run else []
