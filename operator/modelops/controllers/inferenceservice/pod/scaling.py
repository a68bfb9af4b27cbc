"""How many Pods there are: who decides it, and how many may be taken away at once. Pure."""

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.model_server import MODEL, ModelServer, Unusable, container_resources
from modelops.controllers.inferenceservice.pod.quantities import canonical
from modelops.controllers.metadata import labels, owner_references
from modelops.machinery.resources import Body

COMPONENT = "scaling"
IN_FLIGHT_METRIC = "modelops_requests_in_flight"
"""Of a Pod: how many requests its model is working on. An adapter of the custom metrics API serves it."""


def autoscaler(service: InferenceService, deployment_name: str, least: int, most: int) -> Body:
    """What decides how many Pods a Deployment has, from `least` to `most`. Only where `replicas.max` is set.

    Where both figures are given the greater number of Pods wins, as for every HorizontalPodAutoscaler.
    """
    wanted = service.spec.replicas
    metrics: list[Body] = []
    if wanted.target_cpu is not None:
        metrics.append(_cpu(wanted.target_cpu))
    if wanted.requests_in_flight is not None:
        metrics.append(_in_flight(wanted.requests_in_flight.target))
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": deployment_name,
            "namespace": service.metadata.namespace,
            "labels": labels(service, COMPONENT),
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment_name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": metrics,
        },
    }


def replicas_of(least: int, most: int | None, found: Body | None) -> int:
    """The number to apply with a Deployment: `least`, or where an autoscaler decides, what it has decided.

    That number cannot simply be left out. Server-side apply takes a field back that its only owner names no more, and
    the Deployment would fall to one Pod until the autoscaler looks again.
    """
    if most is None:
        return least
    decided = found["spec"].get("replicas", 1) if found is not None else least
    return min(max(decided, least), most)


def unscalable(service: InferenceService, server: ModelServer) -> Unusable | None:
    """CPU is measured against what the container asks for: one that asks for none is never scaled by it."""
    if service.spec.replicas.target_cpu is None:
        return None
    wanted = container_resources(server)
    # A limit without a request is a request as well: the API server makes it one.
    if "cpu" in {**wanted.get("requests", {}), **wanted.get("limits", {})}:
        return None
    return Unusable(
        "NoCPURequest",
        "replicas.targetCPU is a share of the CPU that the server's container asks for, and it asks for none: set "
        "resources.requests.cpu",
    )


def disruption_budget(service: InferenceService, name: str, selector: dict[str, str]) -> Body:
    """At most one of the Pods that `selector` finds is evicted at a time.

    Of use with two Pods or more: of one alone it lets that one go. A Pod that does not answer may always be evicted, so
    that a version that never becomes ready holds no node back.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": name,
            "namespace": service.metadata.namespace,
            "labels": labels(service, COMPONENT),
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _cpu(percent: int) -> Body:
    """Of the model's container alone: the proxy beside it asks for CPU too, and would dilute the figure."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": MODEL, "target": target}}


def _in_flight(requests: int) -> Body:
    target = {"type": "AverageValue", "averageValue": canonical(requests)}
    return {"type": "Pods", "pods": {"metric": {"name": IN_FLIGHT_METRIC}, "target": target}}
