"""Builders of what serving rests on: ModelVersions, InferenceServices, and what a cluster makes of them."""

import copy
from datetime import UTC, datetime
from typing import Any

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.types import Condition
from modelops.controllers.inferenceservice import children
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.rollout import ServerPod, server_pod
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
    replicas: int = 2,
    pod: Json | None = None,
    stable: str | None = None,
    candidate: str | None = None,
) -> InferenceService:
    """An InferenceService of the model, or of one `pinned` version; `stable` and `candidate` are in its status."""
    status: Json = {}
    if stable is not None:
        status["stable"] = {"version": stable, "digest": digest("a"), "replicas": replicas, "ready": replicas}
    if candidate is not None:
        status["candidate"] = {"version": candidate, "digest": digest("b"), "since": "2026-11-05T11:00:00Z"}
    return InferenceService.model_validate(
        {
            "metadata": {"name": "mortgage", "namespace": NAMESPACE, "uid": UID, "generation": 1},
            "spec": {
                "model": {"version": pinned} if pinned else {"name": "mortgage"},
                "server": server or {"runtime": runtime},
                "replicas": {"min": replicas},
                "pod": pod or {},
            },
            "status": status,
        }
    )


def deployment(
    service: InferenceService,
    serves: ModelVersion,
    *,
    updated: int | None = None,
    available: int | None = None,
    total: int | None = None,
    observed: bool = True,
    overdue: bool = False,
) -> Json:
    """The Deployment as the cluster has it. By default all of its Pods are new and available."""
    body = copy.deepcopy(children.deployment(service, serves, settings()))
    wanted = body["spec"]["replicas"]
    body["metadata"] |= {"uid": "uid-of-deployment", "generation": 3}
    body["status"] = {
        "observedGeneration": 3 if observed else 2,
        "replicas": wanted if total is None else total,
        "updatedReplicas": wanted if updated is None else updated,
        "availableReplicas": wanted if available is None else available,
    }
    if overdue:
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}
        body["status"]["conditions"] = [late]
    return body


def pod(
    service: InferenceService,
    serves: ModelVersion,
    name: str = "p1",
    *,
    ready: bool = True,
    init: list[Json] | None = None,
    containers: list[Json] | None = None,
    unschedulable: str = "",
    phase: str = "Running",
    ending: bool = False,
) -> ServerPod:
    """One Pod of the Deployment."""
    template = children.deployment(service, serves, settings())["spec"]["template"]["metadata"]
    metadata = {"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-11-05T11:00:00Z", **template}
    if ending:
        metadata["deletionTimestamp"] = "2026-11-05T11:59:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    if unschedulable:
        conditions.append(
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unschedulable}
        )
    status = {
        "phase": phase,
        "conditions": conditions,
        "initContainerStatuses": init or [],
        "containerStatuses": containers or [],
    }
    return server_pod({"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status})


def ended(name: str, code: int, message: str = "", reason: str = "Error", waits: bool = True) -> Json:
    """A container that has ended and waits for its next start, or has just been started again."""
    end = {"terminated": {"exitCode": code, "message": message, "reason": reason}}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}} if waits else {"running": {}}
    return {"name": name, "state": state, "lastState": end, "restartCount": 3}


def waits(name: str, reason: str, message: str) -> Json:
    """A container that cannot be started."""
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}}


def endpoint(service: InferenceService, *, owner_uid: str | None = None, owned: bool = True) -> Json:
    """The Service of that name; a stranger's where nobody we know owns it."""
    if not owned:
        return {"kind": "Service", "metadata": {"name": "mortgage", "namespace": NAMESPACE}}
    body = copy.deepcopy(children.endpoint(service, settings().runtimes["sklearn"]))
    if owner_uid is not None:
        body["metadata"]["ownerReferences"][0]["uid"] = owner_uid
    return body


def observation(service: InferenceService, *versions: ModelVersion, **more: Any) -> Observation:
    """What the operator sees."""
    given: dict[str, Any] = {"service": service, "settings": settings(), "now": NOW, "versions": versions, **more}
    return Observation(**given)


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
