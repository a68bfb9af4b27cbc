"""Tell whether the same input key would give the same bytes to run. Pure."""

from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import Inputs
from modelops.controllers.trainingrun.caching import has_pinned_image, unknown_secrets
from modelops.controllers.trainingrun.context import RunContext
from modelops.machinery.conditions import DesiredCondition, condition


def with_reproducible(context: RunContext, *conditions: DesiredCondition) -> tuple[DesiredCondition, ...]:
    """Return the conditions and Reproducible, which every run with resolved inputs has."""
    return *conditions, reproducible_condition(context.seen.run, context.resolved.inputs)


def reproducible_condition(run: TrainingRun, inputs: Inputs) -> DesiredCondition:
    """Return the condition Reproducible: False where image or data may not be available again."""
    if not has_pinned_image(run):
        message = f"image {run.spec.trainer.image} is a mutable tag; pin it by digest"
        return condition("Reproducible", False, "MutableImageTag", message)
    if unknown := unknown_secrets(inputs):
        message = (
            f"{', '.join(unknown)}: the operator may not read it, and does not know whether it changes; add the"
            " namespace to rbac.secretNamespaces of the chart"
        )
        return condition("Reproducible", False, "SecretNotReadable", message)
    on_claims = [
        dataset.dataset for dataset in inputs.datasets if dataset.source is not None and dataset.source.pvc is not None
    ]
    if on_claims:
        message = f"Dataset {', '.join(on_claims)}: files on a claim have no versions and may be overwritten"
        return condition("Reproducible", False, "VolumeNotVersioned", message)
    unversioned = [dataset.dataset for dataset in inputs.datasets if not dataset.versioned]
    if unversioned:
        message = f"Dataset {', '.join(unversioned)}: objects may be overwritten; turn on the bucket's versioning"
        return condition("Reproducible", False, "BucketNotVersioned", message)
    return condition("Reproducible", True, "Pinned", "image and data are pinned by digest")
