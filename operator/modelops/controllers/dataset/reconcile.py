"""Reconcile a Dataset: observe, then plan."""

from modelops.api.dataset import Dataset
from modelops.controllers.dataset.observe import observe
from modelops.controllers.dataset.plan import plan
from modelops.controllers.dataset.probing import Prober
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan


async def decide(dataset: Dataset, context: ReconcileContext, prober: Prober) -> Plan:
    """Return the plan of a Dataset. Raises ApiError."""
    return plan(await observe(dataset, context, prober))
