"""Number of Pods of a Deployment: the autoscaler that decides it, and the disruption budget. Pure."""

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.model_server import (
    MODEL,
    Misconfiguration,
    ModelServer,
    container_resources,
)
from modelops.controllers.inferenceservice.pod.quantities import canonical
from modelops.controllers.metadata import labels, owner_references
from modelops.machinery.resources import Body

COMPONENT = "scaling"
IN_FLIGHT_METRIC = "modelops_requests_in_flight"
"""Metric of a Pod: the requests that its model is working on. An adapter of the custom metrics API serves it."""


def autoscaler(service: InferenceService, deployment_name: str, minimum: int, maximum: int) -> Body:
    """Build the HorizontalPodAutoscaler of a Deployment.

    With targets for both CPU and requests in flight, the target that needs more Pods wins.
    """
    replicas = service.spec.replicas
    metrics: list[Body] = []
    if replicas.target_cpu is not None:
        metrics.append(_cpu(replicas.target_cpu))
    if replicas.requests_in_flight is not None:
        metrics.append(_in_flight(replicas.requests_in_flight.target))
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
            "minReplicas": minimum,
            "maxReplicas": maximum,
            "metrics": metrics,
        },
    }


def desired_replicas(minimum: int, maximum: int | None, deployment: Body | None) -> int:
    """Return the replicas to apply with a Deployment: `minimum`, or with an autoscaler the number it has set.

    `maximum` is None without an autoscaler, and `deployment` is the one in the cluster. With an autoscaler the field
    cannot be left out: server-side apply would remove the field together with its only owner, and the Deployment would
    fall to one Pod until the autoscaler's next evaluation.
    """
    if maximum is None:
        return minimum
    decided = deployment["spec"].get("replicas", 1) if deployment is not None else minimum
    return min(max(decided, minimum), maximum)


def missing_cpu_request(service: InferenceService, server: ModelServer) -> Misconfiguration | None:
    """Return the problem of a CPU target without a CPU request: utilization is measured relative to the request."""
    if service.spec.replicas.target_cpu is None:
        return None
    resources = container_resources(server)
    # The API server sets a missing request to the limit.
    if "cpu" in {**resources.get("requests", {}), **resources.get("limits", {})}:
        return None
    return Misconfiguration(
        "NoCPURequest",
        "replicas.targetCPU has no effect: the server's container requests no CPU; set resources.requests.cpu",
    )


def disruption_budget(service: InferenceService, name: str, selector: dict[str, str]) -> Body:
    """Build the budget that lets one of the selected Pods be evicted at a time.

    A single Pod can be evicted, and so can a Pod that is not ready: a version that never becomes ready must not block
    the drain of a node.
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
    """Build the metric of the model's container alone: the CPU request of the proxy would dilute the utilization."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": MODEL, "target": target}}


def _in_flight(requests: int) -> Body:
    target = {"type": "AverageValue", "averageValue": canonical(requests)}
    return {"type": "Pods", "pods": {"metric": {"name": IN_FLIGHT_METRIC}, "target": target}}
