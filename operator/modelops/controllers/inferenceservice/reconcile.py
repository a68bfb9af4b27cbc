"""InferenceService: observe, plan, remember."""

from functools import partial

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.analysis.memory import AnalysisMemory
from modelops.controllers.inferenceservice.observe import observe
from modelops.controllers.inferenceservice.plan import plan
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan
from modelops.machinery.resources import SERVICES


async def decide(service: InferenceService, context: ReconcileContext, memory: AnalysisMemory) -> Plan:
    """Decide what an InferenceService needs now."""
    seen = memory.with_evidence(await observe(service, context))
    decided = plan(seen)
    memory.remember(seen, decided, context.enqueue, partial(context.kube.get, SERVICES))
    return decided
