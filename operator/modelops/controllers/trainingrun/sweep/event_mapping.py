"""Map a changed trial to its sweep. Pure."""

from collections.abc import Iterable

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.sweep.metadata import SWEEP
from modelops.machinery.cache import Cache
from modelops.machinery.resources import Body, Key


def sweep_of_trial(body: Body, cache: Cache) -> Iterable[Key]:
    """Return the run that a trial's label names; nothing for any other run."""
    metadata = body["metadata"]
    name = (metadata.get("labels") or {}).get(SWEEP)
    return [Key(TrainingRun.__name__, metadata["namespace"], name)] if name else []
