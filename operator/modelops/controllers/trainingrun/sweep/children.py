"""Build the TrainingRun of a trial. Pure."""

from modelops.api.annotations import STOP
from modelops.api.kinds import API_VERSION
from modelops.api.trainingrun import TrainingRun
from modelops.api.types import StringMap
from modelops.controllers.metadata import kind_label, labels, owner_references
from modelops.controllers.trainingrun.inputs.pinning import pinned_inputs_annotation
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.sweep.child import Child
from modelops.controllers.trainingrun.sweep.identity import retry_of, trial_name
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE, PINNED_INPUTS, SWEEP, SWEEP_RETRY, TRIAL
from modelops.machinery.resources import Body

_SWEEP_FIELDS = ("sweep", "rerun", "rerunOn")
"""Fields of the spec that a trial does not get."""
_VERSION_FIELDS = ("versionTemplate",)
"""Fields of spec.output that a trial does not get: it makes no ModelVersion."""


def trial_body(run: TrainingRun, resolved: ResolvedInputs, number: int, parameters: StringMap) -> Body:
    """Return the run of a trial: the sweep's own, with the trial's parameters, on the data that the sweep pinned."""
    sweep = run.spec.sweep
    assert sweep is not None, "only a sweep has trials"
    spec = {name: value for name, value in run.spec.wire().items() if name not in _SWEEP_FIELDS}
    output = {name: value for name, value in spec["output"].items() if name not in _VERSION_FIELDS}
    annotations = {
        TRIAL: str(number),
        OBJECTIVE: sweep.objective.metric,
        PINNED_INPUTS: pinned_inputs_annotation(resolved.inputs.datasets),
    }
    if retry_of(run):
        annotations[SWEEP_RETRY] = retry_of(run)
    # Without the label that names a TrainingRun: an object that has one wakes that run, as its Job does.
    own_labels = {
        name: value for name, value in labels(run, "trial").items() if name != kind_label(TrainingRun.__name__)
    }
    return {
        "apiVersion": API_VERSION,
        "kind": TrainingRun.__name__,
        "metadata": {
            "name": trial_name(run, resolved, number),
            "namespace": run.metadata.namespace,
            "labels": {**own_labels, SWEEP: run.metadata.name},
            "annotations": annotations,
            "ownerReferences": owner_references(run),
        },
        "spec": {
            **spec,
            "parameters": run.spec.parameters | parameters,
            "output": {**output, "registration": "Never"},
        },
    }


def kept_trial_body(
    run: TrainingRun,
    resolved: ResolvedInputs,
    number: int,
    parameters: StringMap,
    child: Child,
    stop: str | None = None,
) -> Body:
    """Return the run of an existing trial as it should be now. `stop` is the reason to stop it, if any.

    The annotations with the retry that it was created for, and with an earlier request to stop, are kept.
    """
    body = trial_body(run, resolved, number, parameters)
    annotations: dict[str, str] = body["metadata"]["annotations"]
    existing = child.run.metadata.annotations
    annotations.pop(SWEEP_RETRY, None)
    annotations |= {name: existing[name] for name in (SWEEP_RETRY, STOP) if name in existing}
    if stop is not None:
        annotations.setdefault(STOP, stop)
    return body
