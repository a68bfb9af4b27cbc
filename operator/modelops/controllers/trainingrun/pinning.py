"""The data that a sweep has pinned for all of its trials. Pure."""

import json

from modelops.api.kinds import GROUP
from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import TrainingRun

PINNED_INPUTS = f"{GROUP}/pinned-inputs"


def pinned_by_sweep(run: TrainingRun) -> list[OriginDataset] | None:
    """What a trial must use, whatever its Datasets are now; None for a run that is no trial."""
    text = run.metadata.annotations.get(PINNED_INPUTS)
    return [OriginDataset.model_validate(one) for one in json.loads(text)] if text is not None else None
