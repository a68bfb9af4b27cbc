"""What came out of a sweep, beyond what comes out of every run: which parameters were the best. Pure."""

from modelops.api.sweep import Sweep, SweepStatus, Trial
from modelops.api.trainingrun import TrainingRun
from modelops.api.trainingrun_status import TrainingRunStatus
from modelops.api.types import Metrics, StringMap


def model_parameters(run: TrainingRun, status: TrainingRunStatus) -> StringMap:
    """All parameters of the model that a run has made: its own, and of a sweep those of the best trial."""
    if run.spec.sweep is None or status.sweep is None:
        return run.spec.parameters
    chosen = next((row.parameters for row in status.sweep.trials if row.number == status.sweep.best), {})
    return run.spec.parameters | chosen


def reused_table(sweep: Sweep, made_by: str, parameters: StringMap, metrics: Metrics) -> SweepStatus:
    """The table of a sweep that takes the result of another one with the same inputs: one row, the other's best."""
    row = Trial(
        number=0,
        run=made_by,
        parameters={one.name: parameters[one.name] for one in sweep.parameters if one.name in parameters},
        state="Succeeded",
        objective=metrics.get(sweep.objective.metric),
    )
    return SweepStatus(trials=[row], best=0)
