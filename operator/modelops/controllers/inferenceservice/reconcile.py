"""InferenceService: observe, plan, remember."""

from functools import partial

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.analysis.memory import AnalysisMemory
from modelops.controllers.inferenceservice.analysis.pod_looks import PodLooks
from modelops.controllers.inferenceservice.observe import observe
from modelops.controllers.inferenceservice.plan import plan
from modelops.machinery.context import ReconcileContext
from modelops.machinery.plan import Plan
from modelops.machinery.resources import SERVICES


async def decide(
    service: InferenceService, context: ReconcileContext, memory: AnalysisMemory, looks: PodLooks
) -> Plan | None:
    """Decide what an InferenceService needs now. None: the pages of its Pods are still being read."""
    observed = await observe(service, context, looks)
    if observed is None:
        return None
    seen = memory.with_evidence(observed)
    decided = plan(seen)
    memory.remember(seen, decided, context.enqueue, partial(context.kube.get, SERVICES))
    return decided
