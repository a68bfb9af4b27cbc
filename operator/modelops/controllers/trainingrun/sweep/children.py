"""The run of a trial. Pure."""

from modelops.api.annotations import STOP
from modelops.api.kinds import API_VERSION
from modelops.api.trainingrun import TrainingRun
from modelops.api.types import StringMap
from modelops.controllers.metadata import kind_label, labels, owner_references
from modelops.controllers.trainingrun.inputs.pinning import pinned_for_trials
from modelops.controllers.trainingrun.inputs.resolution import Taken
from modelops.controllers.trainingrun.sweep.child import Child
from modelops.controllers.trainingrun.sweep.identity import retry_of, trial_name
from modelops.controllers.trainingrun.sweep.metadata import OBJECTIVE, PINNED_INPUTS, SWEEP, SWEEP_RETRY, TRIAL
from modelops.machinery.resources import Body

_OF_THE_SWEEP = ("sweep", "rerun", "rerunOn")
_OF_THE_VERSION = ("versionTemplate",)


def trial(run: TrainingRun, taken: Taken, number: int, parameters: StringMap) -> Body:
    """The run of a trial: the sweep's own, with these parameters, on the data that the sweep has pinned."""
    sweep = run.spec.sweep
    assert sweep is not None, "only a sweep has trials"
    spec = {name: value for name, value in run.spec.wire().items() if name not in _OF_THE_SWEEP}
    output = {name: value for name, value in spec["output"].items() if name not in _OF_THE_VERSION}
    annotations = {
        TRIAL: str(number),
        OBJECTIVE: sweep.objective.metric,
        PINNED_INPUTS: pinned_for_trials(taken.inputs.datasets),
    }
    if retry_of(run):
        annotations[SWEEP_RETRY] = retry_of(run)
    # No label that names a TrainingRun: what has one wakes that run as if it were its Job.
    marks = {name: value for name, value in labels(run, "trial").items() if name != kind_label(TrainingRun.__name__)}
    return {
        "apiVersion": API_VERSION,
        "kind": TrainingRun.__name__,
        "metadata": {
            "name": trial_name(run, taken, number),
            "namespace": run.metadata.namespace,
            "labels": {**marks, SWEEP: run.metadata.name},
            "annotations": annotations,
            "ownerReferences": owner_references(run),
        },
        "spec": {
            **spec,
            "parameters": run.spec.parameters | parameters,
            "output": {**output, "registration": "Never"},
        },
    }


def kept(
    run: TrainingRun, taken: Taken, number: int, parameters: StringMap, child: Child, stop: str | None = None
) -> Body:
    """A trial that there is, as it shall be now. Which retry it was made for stays, and so does a word to stop."""
    body = trial(run, taken, number, parameters)
    annotations: dict[str, str] = body["metadata"]["annotations"]
    had = child.run.metadata.annotations
    annotations.pop(SWEEP_RETRY, None)
    annotations |= {name: had[name] for name in (SWEEP_RETRY, STOP) if name in had}
    if stop is not None:
        annotations.setdefault(STOP, stop)
    return body
