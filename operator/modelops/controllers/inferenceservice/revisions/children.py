"""An InferenceService's children: a Deployment for each revision and what goes with it, and the Services that lead to
them. Pure.
"""

from modelops.api.inferenceservice import InferenceService
from modelops.controllers.inferenceservice.pod.names import candidate_service_name, deployment_name, service_name
from modelops.controllers.inferenceservice.pod.template import (
    COMPONENT,
    REVISION,
    SERVICE_PORT,
    Serving,
    selector,
    serving_of,
)
from modelops.controllers.inferenceservice.traffic.routes import FILE, Json
from modelops.controllers.metadata import labels, owner_references
from modelops.lineage.digests import canonical_json
from modelops.machinery.resources import Body

SERVICE_GRPC_PORT = 8081
_PROGRESS_DEADLINE_SECONDS = 600
_REVISION_HISTORY = 1
_PART_OF = "app.kubernetes.io/part-of"


def deployment(service: InferenceService, template: Body, replicas: int) -> Body:
    """The Pods of one revision. Its template never changes: another one is another Deployment."""
    serving = serving_of(template)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(service, serving.revision),
            "namespace": service.metadata.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": _lineage(template),
            "ownerReferences": owner_references(service),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": of_revision(service, serving.revision)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": _PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": _REVISION_HISTORY,
            "template": template,
        },
    }


def remembered(service: InferenceService, template: Body) -> Body:
    """What a revision's Pods are like, for when its Deployment is deleted while the spec wants another revision."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": _metadata(service, deployment_name(service, serving_of(template).revision)),
        "data": {"template": template},
        "revision": 1,
    }


def routes_of(service: InferenceService, serving: Serving, routes: Json) -> Body:
    """What the proxies of a revision's Pods read while they run."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(service, deployment_name(service, serving.revision)),
        "data": {FILE: canonical_json(routes).decode()},
    }


def endpoint(service: InferenceService, revision: str | None, *, grpc: bool) -> Body:
    """The Service that clients know. It leads to one revision; with None, to all that there are."""
    return _service(service, service_name(service), revision, grpc)


def candidate_endpoint(service: InferenceService, revision: str, *, grpc: bool) -> Body:
    """The Service that leads to a candidate. It is always there, so that its address is known before it is needed."""
    return _service(service, candidate_service_name(service), revision, grpc)


def of_revision(service: InferenceService, revision: str) -> dict[str, str]:
    """What finds the Pods of one revision."""
    return {**selector(service), REVISION: revision}


def of_all(service: InferenceService) -> dict[str, str]:
    """What finds the Pods of all revisions. It has as many parts as that of one revision: of a selector that only loses
    a part the found one would look right.
    """
    return {**selector(service), _PART_OF: labels(service, COMPONENT)[_PART_OF]}


def _service(service: InferenceService, name: str, revision: str | None, grpc: bool) -> Body:
    """HTTP and gRPC come in at the same port of the proxy, which tells them apart."""
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
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service, name),
        "spec": {
            "type": "ClusterIP",
            "selector": of_all(service) if revision is None else of_revision(service, revision),
            "ports": ports,
        },
    }


def _metadata(service: InferenceService, name: str) -> Body:
    return {
        "name": name,
        "namespace": service.metadata.namespace,
        "labels": labels(service, COMPONENT),
        "ownerReferences": owner_references(service),
    }


def _lineage(template: Body) -> Body:
    """The marks that prove what serves are the Deployment's too; those for Prometheus are the Pods'."""
    annotations: Body = template["metadata"]["annotations"]
    return {name: value for name, value in annotations.items() if not name.startswith("prometheus.io/")}
