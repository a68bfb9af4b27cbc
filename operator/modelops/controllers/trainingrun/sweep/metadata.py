"""Labels and annotations of a trial's TrainingRun."""

from modelops.api.kinds import GROUP

SWEEP = f"{GROUP}/sweep"
"""Label: TrainingRun whose trial this is."""
TRIAL = f"{GROUP}/trial"
"""Annotation: number of the trial, from 0."""
OBJECTIVE = f"{GROUP}/objective"
"""Annotation: metric whose trace the progress keeps."""
PINNED_INPUTS = f"{GROUP}/pinned-inputs"
"""Annotation: data that all trials of the sweep train on, as JSON."""
SWEEP_RETRY = f"{GROUP}/sweep-retry"
"""Annotation: value of the sweep's own `modelops.dev/retry` that the trial was created for."""
