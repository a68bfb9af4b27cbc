"""Observe, plan."""

from dataclasses import replace

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.inputs import Taken, wanted
from modelops.controllers.trainingrun.observe import observe, versions_made_for
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.controller import World
from modelops.machinery.plan import Plan


async def decide(run: TrainingRun, world: World) -> Plan:
    """What a TrainingRun needs now."""
    seen = await observe(run, world)
    inputs = wanted(seen)
    if isinstance(inputs, Taken):
        seen = replace(seen, versions=versions_made_for(inputs.key, run, world))
    return plan(seen)
