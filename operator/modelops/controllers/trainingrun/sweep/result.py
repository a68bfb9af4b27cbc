"""Tell which parameters the model of a run was made with, of a sweep those of the best trial. Pure."""

from modelops.api.sweep import Sweep, SweepStatus, Trial
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.api.types import Metrics, StringMap


def model_parameters(run: TrainingRun, status: TrainingRunStatus) -> StringMap:
    """Return all parameters of a run's model: the run's own, and those of a sweep's best trial."""
    if run.spec.sweep is None or status.sweep is None:
        return run.spec.parameters
    chosen = next((row.parameters for row in status.sweep.trials if row.number == status.sweep.best), {})
    return run.spec.parameters | chosen


def reused_table(sweep: Sweep, made_by: str, parameters: StringMap, metrics: Metrics) -> SweepStatus:
    """Return the table of a sweep that reuses the result of another one: a single row, the other sweep's best trial."""
    row = Trial(
        number=0,
        run=made_by,
        parameters={swept.name: parameters[swept.name] for swept in sweep.parameters if swept.name in parameters},
        state="Succeeded",
        objective=metrics.get(sweep.objective.metric),
    )
    return SweepStatus(trials=[row], best=0)
