"""Which trials and which outcome belong to a sweep as it is now. Pure."""

from modelops.api.annotations import RETRY
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs.resolution import Taken
from modelops.controllers.trainingrun.inputs.sweep_fields import suggests
from modelops.lineage.digests import json_digest, short

_NAME_LIMIT = TrainingRun.name_limit
_HASH_LENGTH = 10


def trial_name(run: TrainingRun, taken: Taken, number: int) -> str:
    """The name of a trial's run: another one for other inputs or another search, the same one for more trials of it.

    The parameters are not in it, so that there cannot be two runs for one trial.
    """
    inputs = {name: text for name, text in taken.inputs.components.items() if name != "sweep"}
    search = suggests(run.spec.sweep) if run.spec.sweep is not None else {}
    common = {"uid": run.metadata.uid, "inputs": inputs, "sweep": search, "number": number}
    cut = run.metadata.name[: _NAME_LIMIT - _HASH_LENGTH - 1].rstrip("-")
    return f"{cut}-{short(json_digest(common), _HASH_LENGTH)}"


def retry_of(run: TrainingRun) -> str:
    """The last value of the annotation `modelops.dev/retry`, also when it has been taken away since."""
    return run.metadata.annotations.get(RETRY) or run.status.retry or ""


def outcome_holds(run: TrainingRun, taken: Taken) -> bool:
    """Whether the outcome in the status is the one of these inputs.

    A success is final for the inputs. A failure is so until the spec changes in any way, or until a retry is asked for:
    trials that the change does not concern stay as they ended, and tell of it at once.
    """
    status = run.status
    if status.outcome is None or status.inputs is None or status.input_key != taken.key:
        return False
    if status.outcome.state == "Succeeded":
        return True
    return status.inputs.generation == taken.inputs.generation and retry_of(run) == (status.retry or "")
