"""Which revision of the code a run trains with, as far as anybody says. Pure."""

from modelops.api.kinds import GROUP
from modelops.api.trainingrun import TrainingRun

REVISION = f"{GROUP}/revision"
_VARIABLES = ("GIT_COMMIT", "GIT_REVISION", "GIT_SHA")
_LONGEST = 256


def code_revision(run: TrainingRun) -> str | None:
    """The run's annotation modelops.dev/revision, else the trainer's variable GIT_COMMIT, GIT_REVISION or GIT_SHA."""
    written = {one.name: one.value for one in run.spec.trainer.env if one.value}
    said = (run.metadata.annotations.get(REVISION), *(written.get(name) for name in _VARIABLES))
    return next((one[:_LONGEST] for one in said if one), None)
