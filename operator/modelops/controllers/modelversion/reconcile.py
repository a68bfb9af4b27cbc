"""Reconcile a ModelVersion: observe, then plan."""

from modelops.api.modelversion import ModelVersion
from modelops.controllers.modelversion.observe import observe
from modelops.controllers.modelversion.plan import plan
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan


async def decide(version: ModelVersion, context: ReconcileContext) -> Plan:
    """Return the plan of a ModelVersion."""
    return plan(observe(version, context))
