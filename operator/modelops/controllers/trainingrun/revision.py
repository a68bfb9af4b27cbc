"""Find the revision of the code that a run trains with. Pure."""

from modelops.api.kinds import GROUP
from modelops.api.trainingrun import TrainingRun

REVISION = f"{GROUP}/revision"
_VARIABLES = ("GIT_COMMIT", "GIT_REVISION", "GIT_SHA")
_MAX_CHARACTERS = 256


def code_revision(run: TrainingRun) -> str | None:
    """Return the annotation modelops.dev/revision, else the trainer's GIT_COMMIT, GIT_REVISION or GIT_SHA."""
    variables = {variable.name: variable.value for variable in run.spec.trainer.env if variable.value}
    candidates = (run.metadata.annotations.get(REVISION), *(variables.get(name) for name in _VARIABLES))
    return next((text[:_MAX_CHARACTERS] for text in candidates if text), None)
