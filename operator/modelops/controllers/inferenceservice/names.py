"""What an InferenceService's children are called, and where it answers."""

from modelops.api.inferenceservice import InferenceService
from modelops.lineage.digests import sha256_of, short


def deployment_name(service: InferenceService) -> str:
    """Another one for an InferenceService that was deleted and made again: its Pods are not the old one's."""
    return f"{service.metadata.name}-{short(sha256_of(service.metadata.uid))}"


def service_name(service: InferenceService) -> str:
    """The one that clients know."""
    return service.metadata.name


def url(service: InferenceService, cluster_domain: str) -> str:
    """Where the model answers inside the cluster."""
    return f"http://{service_name(service)}.{service.metadata.namespace}.svc.{cluster_domain}"
