"""Names of an InferenceService's children, and the URLs of its Services. Pure."""

from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import GROUP
from modelops.lineage.digests import json_digest, short

ROUTES_FILE = "routes.json"
"""File of a revision's ConfigMap that the proxies read while they run."""
ROUTES_ANNOTATION = f"{GROUP}/routes"
"""Annotation of a Pod: the routes that the operator last notified the Pod of, since when, and when last."""

_SERVICE_NAME_LIMIT = 63
_CANDIDATE = "-candidate"


def deployment_name(service: InferenceService, revision: str) -> str:
    """Return the name of a revision's Deployment, and of its routes, its autoscaler and its ControllerRevision."""
    return f"{service.metadata.name}-{revision}"


def service_name(service: InferenceService) -> str:
    """Return the name of the Service for clients."""
    return service.metadata.name


def candidate_service_name(service: InferenceService) -> str:
    """Return the name of the candidate's Service. A long name is cut, and stays unique by its hash."""
    name = service.metadata.name
    if len(name) + len(_CANDIDATE) > _SERVICE_NAME_LIMIT:
        name = f"{name[:40].rstrip('-')}-{short(json_digest(name), 10)}"
    return name + _CANDIDATE


def url(service: InferenceService, cluster_domain: str) -> str:
    """Return the URL of the model inside the cluster."""
    return _url(service_name(service), service, cluster_domain)


def candidate_host(service: InferenceService, cluster_domain: str) -> str:
    """Return the host name of the candidate's Service."""
    return _host(candidate_service_name(service), service, cluster_domain)


def candidate_url(service: InferenceService, cluster_domain: str) -> str:
    """Return the URL of the candidate inside the cluster, whatever its weight."""
    return _url(candidate_service_name(service), service, cluster_domain)


def _host(name: str, service: InferenceService, cluster_domain: str) -> str:
    return f"{name}.{service.metadata.namespace}.svc.{cluster_domain}"


def _url(name: str, service: InferenceService, cluster_domain: str) -> str:
    return f"http://{_host(name, service, cluster_domain)}"
