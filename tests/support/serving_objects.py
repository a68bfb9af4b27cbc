"""Builders of what serving rests on: ModelVersions, InferenceServices, and what a cluster makes of them."""

import copy
from datetime import UTC, datetime
from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.types import Condition
from modelops.controllers.inferenceservice import children
from modelops.controllers.inferenceservice.members import ServerPod, server_pod
from modelops.controllers.inferenceservice.routes import TOLD
from modelops.controllers.inferenceservice.template import serving_of, template
from modelops.machinery.settings import Settings

NAMESPACE = "team"
NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
UID = "7f0c2b1e-0000-4000-8000-000000000001"

Json = dict[str, Any]


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


def settings(**more: Any) -> Settings:
    """The chart's settings with one preset."""
    return Settings.model_validate(
        {
            "images": {"worker": "modelops-worker:1", "monitor": "modelops-monitor:1"},
            "store": {"url": "s3://store/modelops", "endpoint": "http://s3:8333", "secretName": "store-keys"},
            "runtimes": {
                "sklearn": {
                    "image": "modelops-server:1",
                    "args": ["--model-dir={model_dir}", "--model-name={model_name}", "--http-port={http_port}"],
                    "formats": ["sklearn"],
                }
            },
        }
        | more
    )


def version(
    name: str = "mortgage-1",
    *,
    letter: str = "a",
    may_serve: bool | None = True,
    why: str = "all 1 gates passed, approval NotRequired",
    created: str = "2026-11-05T10:00:00Z",
    format_: str = "sklearn",
    gates: list[Json] | None = None,
    metrics: dict[str, float] | None = None,
    approval: str = "Automatic",
    annotations: dict[str, str] | None = None,
    status: Json | None = None,
    origin: Json | None = None,
) -> ModelVersion:
    """A ModelVersion; `may_serve` None: the operator has not looked at it yet."""
    conditions = [] if may_serve is None else [_ready(may_serve, why)]
    return ModelVersion.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-of-{name}",
                "generation": 1,
                "creationTimestamp": created,
                "annotations": annotations or {},
            },
            "spec": {
                "model": "mortgage",
                "artifact": {
                    "uri": f"s3://store/modelops/models/{letter}/",
                    "digest": digest(letter),
                    "format": format_,
                    "bytes": 4711,
                },
                "origin": origin or _trained(metrics or {}),
                "gates": gates or [],
                "approval": approval,
            },
            "status": status if status is not None else {"conditions": conditions},
        }
    )


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
    """An InferenceService of the model, or of one `pinned` version. `replicas` is how many, or all of that field."""
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
    """The Pod template of a version; `more` are settings."""
    return template(service, serves, settings(**more))


def revision_of(service: InferenceService, serves: ModelVersion) -> str:
    """The name of a version's revision."""
    return serving_of(pod_template(service, serves)).revision


def deployment(service: InferenceService, serves: ModelVersion, *, replicas: int | None = None, **more: Any) -> Json:
    """The Deployment of a version's revision, as the cluster has it; `more` are settings."""
    wanted = service.spec.replicas.min if replicas is None else replicas
    body = copy.deepcopy(children.deployment(service, pod_template(service, serves, **more), wanted))
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
    told: str = "",
) -> Json:
    """One Pod of a template, as the cluster has it; `told` is what its annotation says of its routes."""
    marks = copy.deepcopy(template["metadata"])
    metadata = {
        **marks,
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "creationTimestamp": "2026-11-05T11:00:00Z",
    }
    if told:
        metadata["annotations"][TOLD] = told
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
    """One Pod of a version; `more` as for `pod_body`."""
    return server_pod(pod_body(pod_template(service, serves), name, **more))


def ended(name: str, code: int, message: str = "", reason: str = "Error", waits: bool = True) -> Json:
    """A container that has ended and waits for its next start, or has just been started again."""
    end = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}} if waits else {"running": {}}
    return {"name": name, "state": state, "lastState": end, "restartCount": 3}


def waits(name: str, reason: str, message: str) -> Json:
    """A container that cannot be started."""
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def endpoint(
    service: InferenceService, revision: str | None = None, *, owner_uid: str | None = None, owned: bool = True
) -> Json:
    """The Service of that name; a stranger's where nobody we know owns it."""
    if not owned:
        return {"kind": "Service", "metadata": {"name": "mortgage", "namespace": NAMESPACE}}
    body = copy.deepcopy(children.endpoint(service, revision, grpc=False))
    if owner_uid is not None:
        body["metadata"]["ownerReferences"][0]["uid"] = owner_uid
    return body


def _ready(holds: bool, why: str) -> Json:
    return Condition(
        type="Ready",
        status="True" if holds else "False",
        reason="MayServe" if holds else "GateFailed",
        message=why,
        last_transition_time="2026-11-05T10:00:01Z",
    ).wire()


def _trained(metrics: dict[str, float]) -> Json:
    return {
        "trainingRun": {"name": "mortgage", "uid": "uid-of-run", "inputKey": digest("e")},
        "datasets": [
            {
                "name": "train",
                "dataset": "mortgage",
                "digest": digest("d"),
                "manifest": "s3://store/modelops/manifests/d",
                "source": {"bucket": "lake", "prefix": "mortgage/"},
                "versioned": True,
                "objects": 1,
                "objectVersions": [{"key": "mortgage/hmda.csv", "versionId": "1", "size": 9, "etag": "x"}],
            }
        ],
        "image": "trainer@" + digest("f"),
        "metrics": metrics,
    }
