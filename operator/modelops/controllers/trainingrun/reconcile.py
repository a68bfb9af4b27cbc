"""Observe, plan."""

from dataclasses import replace

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.attempt.progress_polling import ProgressPoller
from modelops.controllers.trainingrun.inputs.references import read_references
from modelops.controllers.trainingrun.inputs.resolution import ResolvedInputs, takes_anew, wanted
from modelops.controllers.trainingrun.observe import observe, siblings_with, versions_made_for
from modelops.controllers.trainingrun.plan import plan
from modelops.controllers.trainingrun.sweep.observe import observe as observe_sweep
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan


async def decide(run: TrainingRun, context: ReconcileContext, poller: ProgressPoller) -> Plan:
    """What a TrainingRun needs now. Raises StalledError and ApiError."""
    seen = await observe(run, context, poller)
    if takes_anew(seen):
        seen = replace(seen, references=await read_references(run, context))
    inputs = wanted(seen)
    if not isinstance(inputs, ResolvedInputs):
        return plan(seen)
    seen = replace(
        seen,
        versions=versions_made_for(inputs.key, run, context),
        siblings=siblings_with(inputs.key, run, context),
    )
    return plan(seen, await observe_sweep(run, inputs, context))
