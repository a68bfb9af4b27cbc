"""Observe, plan."""

from modelops.api.trainingrun import TrainingRun
from modelops.controllers.trainingrun.observe import observe
from modelops.controllers.trainingrun.plan import plan
from modelops.machinery.controller import World
from modelops.machinery.plan import Plan


async def decide(run: TrainingRun, world: World) -> Plan:
    """What a TrainingRun needs now."""
    return plan(await observe(run, world))
