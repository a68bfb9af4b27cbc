"""Observe, then plan."""

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.observe import observe
from modelops.controllers.trainingrun.plan import plan
from modelops.controllers.trainingrun.sweep.suggester import Suggester
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan


async def decide(run: TrainingRun, context: ReconcileContext, poller: ProgressPoller, suggester: Suggester) -> Plan:
    """Return what a TrainingRun needs now. Raises StalledError and ApiError."""
    return plan(await observe(run, context, poller, suggester))
