"""Whether the same key would give the same bytes to run. Pure."""

from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.trainingrun.caching import has_pinned_image
from modelops.machinery.conditions import DesiredCondition, condition


def reproducible_condition(run: TrainingRun, inputs: Inputs) -> DesiredCondition:
    """Honesty: what cannot be done again the same way says so."""
    if not has_pinned_image(run):
        message = f"{run.spec.trainer.image} is a tag and can come to mean another image: pin it by digest"
        return condition("Reproducible", False, "MutableImageTag", message)
    on_claims = [one.dataset for one in inputs.datasets if one.source is not None and one.source.pvc is not None]
    if on_claims:
        message = f"Dataset {', '.join(on_claims)}: a claim keeps no versions, so its bytes may not be had again"
        return condition("Reproducible", False, "VolumeNotVersioned", message)
    unversioned = [one.dataset for one in inputs.datasets if not one.versioned]
    if unversioned:
        message = f"Dataset {', '.join(unversioned)}: the bucket keeps no versions, so its bytes may not be had again"
        return condition("Reproducible", False, "BucketNotVersioned", message)
    return condition("Reproducible", True, "Pinned", "image and data are pinned by digest")
