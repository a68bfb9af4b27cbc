"""What an InferenceService's children are called, and where it answers."""

from modelops.api.inferenceservice import InferenceService
from modelops.lineage.digests import json_digest, short

_SERVICE_NAME_LIMIT = 63
_CANDIDATE = "-candidate"


def deployment_name(service: InferenceService, revision: str) -> str:
    """One for each revision. Its routes, its autoscaler and what remembers it have the same name."""
    return f"{service.metadata.name}-{revision}"


def service_name(service: InferenceService) -> str:
    """The one that clients know."""
    return service.metadata.name


def candidate_service_name(service: InferenceService) -> str:
    """The one that leads to a candidate alone. What a long name loses at its end is in a hash."""
    name = service.metadata.name
    if len(name) + len(_CANDIDATE) > _SERVICE_NAME_LIMIT:
        name = f"{name[:40].rstrip('-')}-{short(json_digest(name), 10)}"
    return name + _CANDIDATE


def url(service: InferenceService, cluster_domain: str) -> str:
    """Where the model answers inside the cluster."""
    return _url(service_name(service), service, cluster_domain)


def candidate_host(service: InferenceService, cluster_domain: str) -> str:
    """The full name of the Service that leads to a candidate."""
    return _host(candidate_service_name(service), service, cluster_domain)


def candidate_url(service: InferenceService, cluster_domain: str) -> str:
    """Where a candidate answers inside the cluster, whatever its share of the requests."""
    return _url(candidate_service_name(service), service, cluster_domain)


def _host(name: str, service: InferenceService, cluster_domain: str) -> str:
    return f"{name}.{service.metadata.namespace}.svc.{cluster_domain}"


def _url(name: str, service: InferenceService, cluster_domain: str) -> str:
    return f"http://{_host(name, service, cluster_domain)}"
