"""Identify the trials and the outcome of a sweep as it is now. Pure."""

from modelops.api.annotations import RETRY
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs
from modelops.controllers.trainingrun.inputs.sweep_fields import search_fields
from modelops.lineage.digests import json_digest, short

_NAME_LIMIT = TrainingRun.name_limit
_HASH_LENGTH = 10


def trial_name(run: TrainingRun, resolved: ResolvedInputs, number: int) -> str:
    """Return the name of a trial's run: it changes with the inputs and the search, but not with the number of trials.

    Parameters are not part of it, so that no trial can have two runs.
    """
    inputs = {name: text for name, text in resolved.inputs.components.items() if name != "sweep"}
    search = search_fields(run.spec.sweep) if run.spec.sweep is not None else {}
    common = {"uid": run.metadata.uid, "inputs": inputs, "sweep": search, "number": number}
    cut = run.metadata.name[: _NAME_LIMIT - _HASH_LENGTH - 1].rstrip("-")
    return f"{cut}-{short(json_digest(common), _HASH_LENGTH)}"


def retry_of(run: TrainingRun) -> str:
    """Return the last value of the annotation `modelops.dev/retry`, also if it was removed since."""
    return run.metadata.annotations.get(RETRY) or run.status.last_handled_retry or ""


def outcome_holds(run: TrainingRun, resolved: ResolvedInputs) -> bool:
    """Return whether the outcome in the status holds for these inputs.

    A success is final for the inputs. A failure is final until the spec changes in any way or a retry is requested: a
    sweep whose failed trials stay as they are fails again at once.
    """
    status = run.status
    if status.outcome is None or status.inputs is None or status.input_key != resolved.key:
        return False
    if status.outcome.state == "Succeeded":
        return True
    return status.inputs.generation == resolved.inputs.generation and retry_of(run) == (status.last_handled_retry or "")
