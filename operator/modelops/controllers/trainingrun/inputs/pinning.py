"""Write a sweep's pinned data to an annotation of each trial, and read it back. Pure."""

import json

from pydantic import TypeAdapter, ValidationError

from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.sweep.metadata import PINNED_INPUTS

_PINNED = TypeAdapter(list[OriginDataset])


def pinned_inputs_annotation(datasets: list[OriginDataset]) -> str:
    """Return the annotation's value. It leaves out single objects, which the manifest has, to stay short."""
    short = [dataset.model_copy(update={"object_versions": []}) for dataset in datasets]
    return json.dumps([dataset.wire() for dataset in short], sort_keys=True)


def pinned_by_parent(run: TrainingRun) -> list[OriginDataset] | None:
    """Return the data that a trial must train on, whatever its Datasets are now. None for any other run."""
    text = run.metadata.annotations.get(PINNED_INPUTS)
    if text is None:
        return None
    try:
        return _PINNED.validate_json(text)
    except ValidationError:
        # The operator writes no such value: an annotation that a person wrote pins nothing.
        return None
