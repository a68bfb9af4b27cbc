"""Dataset: probes a source for change, and takes a snapshot of every state that passes schema and checks."""

from functools import partial

from modelops.api.dataset import Dataset
from modelops.controllers.dataset.metrics import collect
from modelops.controllers.dataset.probing import Prober
from modelops.controllers.dataset.reconcile import decide
from modelops.controllers.owned import by_owner
from modelops.machinery.controller import Controller
from modelops.machinery.dispatch import by_label
from modelops.machinery.resources import DATASETS, JOBS, PODS

_KIND = Dataset.__name__


def controller() -> Controller:
    """Build the controller of Datasets."""
    return Controller(
        resource=DATASETS,
        kind=Dataset,
        decide=partial(decide, prober=Prober()),
        event_mappings={JOBS.kind: by_label(_KIND), PODS.kind: by_label(_KIND)},
        indexers={JOBS.kind: by_owner, PODS.kind: by_owner},
        collect=collect,
    )
