"""Build the children of an InferenceService: Deployment, routes and record of a revision, and the Services. Pure."""

from modelops.api.annotations import ARTIFACT_DIGEST, LINEAGE
from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.names import (
    ROUTES_FILE,
    candidate_service_name,
    deployment_name,
    service_name,
)
from modelops.controllers.inferenceservice.pod.template import COMPONENT, REVISION, SERVICE_PORT, selector
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.controllers.metadata import DATASET_DIGESTS, IMAGE_ID, INPUT_KEY, labels, owner_references
from modelops.machinery.resources import Body

SERVICE_GRPC_PORT = 8081
_PROGRESS_DEADLINE_SECONDS = 600
_REVISION_HISTORY = 1
_PART_OF = "app.kubernetes.io/part-of"
_LINEAGE = (ARTIFACT_DIGEST, LINEAGE, INPUT_KEY, DATASET_DIGESTS, IMAGE_ID)


def deployment(service: InferenceService, template: RevisionTemplate, replicas: int) -> Body:
    """Build the Deployment of a revision, which never changes its template: another template is another Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(service, template.revision),
            "namespace": service.metadata.namespace,
            "labels": template.body["metadata"]["labels"],
            "annotations": _lineage(template.body),
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": revision_selector(service, template.revision)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": _PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": _REVISION_HISTORY,
            "template": template.body,
        },
    }


def revision_record(service: InferenceService, template: RevisionTemplate) -> Body:
    """Build the ControllerRevision that keeps a template.

    From it the operator restores the stable Deployment if that is deleted while the spec selects another revision.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": _metadata(service, deployment_name(service, template.revision)),
        "data": {"template": template.body},
        "revision": 1,
    }


def routes_config_map(service: InferenceService, revision: str, routes: str) -> Body:
    """Build the ConfigMap that the proxies of a revision's Pods read while they run."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(service, deployment_name(service, revision)),
        "data": {ROUTES_FILE: routes},
    }


def stable_service(service: InferenceService, revision: str | None, *, grpc: bool) -> Body:
    """Build the Service that clients use. It selects the Pods of one revision, or of all with None."""
    return _service(service, service_name(service), revision, grpc)


def candidate_service(service: InferenceService, revision: str, *, grpc: bool) -> Body:
    """Build the Service of the candidate. The Service always exists, so that its address is known in advance."""
    return _service(service, candidate_service_name(service), revision, grpc)


def revision_selector(service: InferenceService, revision: str) -> dict[str, str]:
    """Return the labels that select the Pods of one revision."""
    return {**selector(service), REVISION: revision}


def all_revisions_selector(service: InferenceService) -> dict[str, str]:
    """Return the labels that select the Pods of all revisions.

    There are as many labels as for one revision: `already_applied` would not notice that a selector only loses a label.
    """
    return {**selector(service), _PART_OF: labels(service, COMPONENT)[_PART_OF]}


def _service(service: InferenceService, name: str, revision: str | None, grpc: bool) -> Body:
    """Build a Service. HTTP and gRPC share a port of the proxy, which distinguishes them."""
    ports: list[Body] = [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}]
    if grpc:
        ports.append(
            {
                "name": "grpc",
                "port": SERVICE_GRPC_PORT,
                "targetPort": "http",
                "protocol": "TCP",
                "appProtocol": "kubernetes.io/h2c",
            }
        )
    pods = all_revisions_selector(service) if revision is None else revision_selector(service, revision)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, name),
        "spec": {"type": "ClusterIP", "selector": pods, "ports": ports},
    }


def _metadata(service: InferenceService, name: str) -> Body:
    return {
        "name": name,
        "namespace": service.metadata.namespace,
        "labels": labels(service, COMPONENT),
        "ownerReferences": owner_references(service),
    }


def _lineage(template: Body) -> Body:
    """Return the annotations that prove what serves. All others are the Pods' alone."""
    annotations: Body = template["metadata"]["annotations"]
    return {name: value for name, value in annotations.items() if name in _LINEAGE}
