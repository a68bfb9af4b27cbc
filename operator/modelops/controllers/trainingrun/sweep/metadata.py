"""What a trial's TrainingRun is marked with."""

from modelops.api.kinds import GROUP

SWEEP = f"{GROUP}/sweep"
"""Label: the TrainingRun whose trial it is."""
TRIAL = f"{GROUP}/trial"
"""Annotation: its number."""
OBJECTIVE = f"{GROUP}/objective"
"""Annotation: the metric that its progress is traced by."""
PINNED_INPUTS = f"{GROUP}/pinned-inputs"
"""Annotation: the data that every trial of the sweep trains on, as JSON."""
SWEEP_RETRY = f"{GROUP}/sweep-retry"
"""Annotation: which value of the sweep's own `modelops.dev/retry` it was made for."""
