"""Build InferenceServices, and the objects of their revisions as a cluster has them."""

import copy
from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.pod.names import ROUTES_ANNOTATION
from modelops.controllers.inferenceservice.pod.template import serving_of, template
from modelops.controllers.inferenceservice.revisions import children
from modelops.controllers.inferenceservice.revisions.observed import ServerPod, server_pod
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from support.builders.common import NAMESPACE, settings

UID = "7f0c2b1e-0000-4000-8000-000000000001"

Json = dict[str, Any]


def inference_service(
    *,
    pinned: str | None = None,
    runtime: str = "sklearn",
    server: Json | None = None,
    replicas: int | Json = 2,
    pod: Json | None = None,
    rollout: Json | None = None,
    gateway: Json | None = None,
    limits: Json | None = None,
    annotations: dict[str, str] | None = None,
    status: Json | None = None,
) -> InferenceService:
    """Build an InferenceService of the model, or of one `pinned` version.

    `replicas` is the number of Pods, or the whole field of the spec.
    """
    return InferenceService.model_validate(
        {
            "metadata": {
                "name": "mortgage",
                "namespace": NAMESPACE,
                "uid": UID,
                "generation": 1,
                "annotations": annotations or {},
            },
            "spec": {
                "model": {"version": pinned} if pinned else {"name": "mortgage"},
                "server": server or {"runtime": runtime},
                "replicas": {"min": replicas} if isinstance(replicas, int) else replicas,
                "pod": pod or {},
                "limits": limits or {},
                **({"rollout": rollout} if rollout else {}),
                **({"gateway": gateway} if gateway else {}),
            },
            "status": status or {},
        }
    )


def pod_template(service: InferenceService, serves: ModelVersion, **more: Any) -> Json:
    """Build the Pod template of a version; `more` are settings."""
    return template(service, serves, settings(**more))


def revision_of(service: InferenceService, serves: ModelVersion) -> str:
    """Return the name of a version's revision."""
    return serving_of(pod_template(service, serves)).revision


def deployment(service: InferenceService, serves: ModelVersion, *, replicas: int | None = None, **more: Any) -> Json:
    """Build the Deployment of a version's revision; `more` are settings."""
    revision = RevisionTemplate.of(pod_template(service, serves, **more))
    body = copy.deepcopy(
        children.deployment(service, revision, service.spec.replicas.min if replicas is None else replicas)
    )
    body["metadata"]["uid"] = f"uid-of-{body['metadata']['name']}"
    return body


def pod_body(
    template: Json,
    name: str = "p1",
    *,
    ready: bool = True,
    init: list[Json] | None = None,
    containers: list[Json] | None = None,
    unschedulable: str = "",
    phase: str = "Running",
    ending: bool = False,
    address: str = "10.0.0.1",
    notice: str = "",
) -> Json:
    """Build a Pod of a template; `notice` is the value of its annotation about routes."""
    metadata = {
        **copy.deepcopy(template["metadata"]),
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "creationTimestamp": "2026-11-05T11:00:00Z",
    }
    if notice:
        metadata["annotations"][ROUTES_ANNOTATION] = notice
    if ending:
        metadata["deletionTimestamp"] = "2026-11-05T11:59:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    if unschedulable:
        conditions.append(
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unschedulable}
        )
    status = {
        "phase": phase,
        "podIP": address,
        "conditions": conditions,
        "initContainerStatuses": init or [],
        "containerStatuses": containers or [],
    }
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status}


def pod(service: InferenceService, serves: ModelVersion, name: str = "p1", **more: Any) -> ServerPod:
    """Build a Pod of a version as the operator observes it; `more` as for `pod_body`."""
    return server_pod(pod_body(pod_template(service, serves), name, **more))


def ended(name: str, code: int, message: str = "", reason: str = "Error", waits: bool = True) -> Json:
    """Build the status of a container that has ended and waits for its restart, or with `waits=False` runs again."""
    last = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}} if waits else {"running": {}}
    return {"name": name, "state": state, "lastState": last, "restartCount": 3}


def waits(name: str, reason: str, message: str) -> Json:
    """Build the status of a container that cannot be started."""
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def service_object(
    service: InferenceService, revision: str | None = None, *, owner_uid: str | None = None, owned: bool = True
) -> Json:
    """Build the Service that clients use; with `owned=False` one that another owner created."""
    if not owned:
        return {"kind": "Service", "metadata": {"name": "mortgage", "namespace": NAMESPACE}}
    body = copy.deepcopy(children.stable_service(service, revision, grpc=False))
    if owner_uid is not None:
        body["metadata"]["ownerReferences"][0]["uid"] = owner_uid
    return body
