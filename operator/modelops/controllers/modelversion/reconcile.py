"""Observe, plan."""

from modelops.api.modelversion import ModelVersion
from modelops.controllers.modelversion.observe import observe
from modelops.controllers.modelversion.plan import plan
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan


async def decide(version: ModelVersion, context: ReconcileContext) -> Plan:
    """What a ModelVersion needs now."""
    return plan(observe(version, context))
