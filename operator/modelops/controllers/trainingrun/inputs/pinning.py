"""The data that a sweep has pinned for all of its trials, as an annotation of each. Pure."""

import json

from pydantic import TypeAdapter, ValidationError

from modelops.api.modelversion import OriginDataset
from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.sweep.metadata import PINNED_INPUTS

_PINNED = TypeAdapter(list[OriginDataset])


def pinned_inputs_annotation(datasets: list[OriginDataset]) -> str:
    """The annotation's value. Single objects are left out: the manifest has them all, and an annotation is short."""
    return json.dumps([one.model_copy(update={"object_versions": []}).wire() for one in datasets], sort_keys=True)


def pinned_by_parent(run: TrainingRun) -> list[OriginDataset] | None:
    """What a trial must train on, whatever its Datasets are now. None for a run that is no trial."""
    text = run.metadata.annotations.get(PINNED_INPUTS)
    if text is None:
        return None
    try:
        return _PINNED.validate_json(text)
    except ValidationError:
        # Nothing that we have written: a person's annotation pins nothing.
        return None
