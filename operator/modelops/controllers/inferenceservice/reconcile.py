"""Observe, plan."""

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.observe import observe
from modelops.controllers.inferenceservice.plan import plan
from modelops.machinery.controller import World
from modelops.machinery.plan import Plan


async def decide(service: InferenceService, world: World) -> Plan:
    """What an InferenceService needs now."""
    return plan(await observe(service, world))
