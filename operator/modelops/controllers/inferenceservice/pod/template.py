"""The Pods of a revision: which containers they have, and what they are told. Pure.

A revision's name is a hash of its template, so that another version, server or size is another revision.
"""

import json
from dataclasses import dataclass

from modelops.api.contract.tasks import FetchModelTask
from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.containers import (
    SHARED,
    SHARED_DIR,
    container_security,
    credential_volumes,
    empty_dir,
    literal,
    mount,
    pod_defaults,
    worker_container,
)
from modelops.controllers.inferenceservice.pod import warm_up
from modelops.controllers.inferenceservice.pod.model_server import (
    FETCH,
    MODEL,
    MODEL_DIR,
    PROXY,
    ModelServer,
    container_environment,
    container_resources,
    model_server,
)
from modelops.controllers.inferenceservice.pod.names import candidate_host, deployment_name
from modelops.controllers.inferenceservice.pod.quantities import whole
from modelops.controllers.inferenceservice.pod.volumes import mounts, volumes
from modelops.controllers.inferenceservice.traffic.routes import FILE
from modelops.controllers.metadata import (
    ARTIFACT_DIGEST,
    DATASET_DIGESTS,
    IMAGE_ID,
    INPUT_KEY,
    LINEAGE,
    kind_label,
    labels,
)
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

COMPONENT = "server"
VERSION = kind_label("modelversion")
REVISION = kind_label("revision")
HTTP_PORT = 8080
STATS_PORT = 9090
ADMIN_PORT = 15000
SERVICE_PORT = 80
_OUT_OF_ENDPOINTS_SECONDS = 5
_DRAIN_SECONDS = 30
_GRACE_SECONDS = 60
"""The wait, the drain, then time for the model and the proxy to end."""
_MODELS = "models"
_ROUTES = "routes"
_ROUTES_DIR = "/etc/modelops/routes"


def lineage_marks(version: ModelVersion) -> dict[str, str]:
    """From a Pod to the data its model learned from, with kubectl alone.

    All of it is in the version's spec, which cannot change: what is written here later would replace every Pod.
    """
    origin = version.spec.origin
    told: Body = {
        "modelVersion": version.metadata.name,
        "model": version.spec.model,
        # The manifest lists every object: a few of them here would only take room.
        "datasets": [one.model_copy(update={"object_versions": []}).wire() for one in origin.datasets],
    }
    if origin.training_run is not None:
        told["trainingRun"] = origin.training_run.wire()
    if origin.imported is not None:
        told["imported"] = origin.imported.wire()
    if origin.image:
        told["image"] = origin.image
    marks = {ARTIFACT_DIGEST: version.spec.artifact.digest, LINEAGE: json.dumps(told, sort_keys=True)}
    if origin.training_run is not None:
        marks[INPUT_KEY] = origin.training_run.input_key
    if origin.datasets:
        marks[DATASET_DIGESTS] = json.dumps({one.name: one.digest for one in origin.datasets}, sort_keys=True)
    if origin.image:
        marks[IMAGE_ID] = origin.image
    return marks


def template(service: InferenceService, version: ModelVersion, settings: Settings) -> Body:
    """The Pod template of a version, as a Deployment of its own has it."""
    server = model_server(service, settings, version)
    named = labels(service, COMPONENT, modelversion=version.metadata.name, model=version.spec.model)
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(STATS_PORT),
        "prometheus.io/path": "/metrics",
    }
    metadata = {"labels": named, "annotations": {**lineage_marks(version), **scraped}}
    decides = {
        "uid": service.metadata.uid,
        "metadata": metadata,
        "spec": _pod(service, version, settings, server, ""),
    }
    revision = short(json_digest(decides), 10)
    return {
        "metadata": {**metadata, "labels": {**named, REVISION: revision}},
        "spec": _pod(service, version, settings, server, revision),
    }


def selector(service: InferenceService) -> dict[str, str]:
    """What all Pods of an InferenceService have in common, whatever they serve."""
    return {kind_label(InferenceService.__name__): service.metadata.name, "app.kubernetes.io/component": COMPONENT}


@dataclass(frozen=True)
class Serving:
    """What the Pods of a template serve, and what of that their routes depend on."""

    version: str
    digest: str
    revision: str
    readiness_path: str
    grpc: bool


def serving_of(template: Body) -> Serving:
    """Read back from a template, whose version and server may not be the spec's any more."""
    labels, annotations = (template["metadata"].get(part) or {} for part in ("labels", "annotations"))
    proxy: Body = next((one for one in template["spec"].get("initContainers", []) if one["name"] == PROXY), {})
    told = {one["name"]: one.get("value", "") for one in proxy.get("env", [])}
    return Serving(
        version=labels.get(VERSION, ""),
        digest=annotations.get(ARTIFACT_DIGEST, ""),
        revision=labels.get(REVISION, ""),
        readiness_path=told.get("MODELOPS_READINESS_PATH", "/"),
        grpc="MODELOPS_MODEL_GRPC_PORT" in told,
    )


def _pod(
    service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer, revision: str
) -> Body:
    secrets = [settings.store.secret_name] if settings.store.secret_name else []
    rooms = (SHARED, _MODELS, *(_scratch(name) for name in (FETCH, PROXY, MODEL)))
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(service)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    # Its name has the revision in it, which is made of all the rest.
    routes = {"name": _ROUTES, "configMap": {"name": deployment_name(service, revision), "defaultMode": 0o444}}
    return {
        # By name, always: an API server that is told no name any more keeps the last one.
        "serviceAccountName": "default",
        **pod_defaults(service.spec.pod),
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "topologySpreadConstraints": [spread],
        "initContainers": [_fetch(version, settings, secrets), _proxy(service, version, settings, server, revision)],
        "containers": [_model(service, version, settings, server)],
        "volumes": [
            *(empty_dir(name) for name in rooms),
            routes,
            *credential_volumes(secrets),
            *warm_up.volumes(service),
            *volumes(service.spec.pod.volumes),
        ],
    }


def _fetch(version: ModelVersion, settings: Settings, secrets: list[str]) -> Body:
    """Brings the artifact and refuses any other bytes. The only container that sees credentials, and ends before any
    other starts.
    """
    artifact = version.spec.artifact
    return worker_container(
        FETCH,
        settings.images.worker,
        settings.image_pull_policy,
        "fetch-model",
        FetchModelTask(artifact_uri=artifact.uri, digest=artifact.digest, store=settings.store.place),
        secrets,
        [mount(SHARED, SHARED_DIR), mount(_MODELS, MODEL_DIR)],
        scratch=_scratch(FETCH),
    )


def _proxy(
    service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer, revision: str
) -> Body:
    """Envoy, with the monitor as its child: a native sidecar, so that it starts before the model and ends after it.

    The Pod's only readiness probe goes through it to the model, which may listen on loopback alone. It has no startup
    probe: the model does not start before the proxy has, and so the proxy must not wait for it.
    """
    path = server.readiness_path.replace(" ", "%20")
    told = {
        "LISTEN_PORT": str(HTTP_PORT),
        "STATS_PORT": str(STATS_PORT),
        "ADMIN_PORT": str(ADMIN_PORT),
        "MODEL_PORT": str(server.http_port),
        "READINESS_PATH": path,
        "INFERENCE_SERVICE": service.metadata.name,
        "MODEL_NAME": version.spec.model,
        "MODEL_VERSION": version.metadata.name,
        "ARTIFACT_DIGEST": version.spec.artifact.digest,
        "ROUTES_PATH": f"{_ROUTES_DIR}/{FILE}",
        "CANDIDATE_HOST": candidate_host(service, settings.cluster_domain),
        "CANDIDATE_PORT": str(SERVICE_PORT),
    }
    limits = service.spec.limits
    if limits.max_body is not None:
        told["MAX_BODY_BYTES"] = str(whole(limits.max_body))
    if limits.max_concurrency is not None:
        told["MAX_CONCURRENCY"] = str(limits.max_concurrency)
    if server.grpc_port is not None:
        told["MODEL_GRPC_PORT"] = str(server.grpc_port)
    if revision:
        told["REVISION"] = revision
    return {
        "name": PROXY,
        "image": settings.images.monitor,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["supervise"],
        "restartPolicy": "Always",
        "env": [{"name": f"MODELOPS_{name}", "value": literal(value)} for name, value in told.items()],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "stats", "containerPort": STATS_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"path": path, "port": "http"},
            "periodSeconds": 3,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
        # Of Envoy alone, whatever the model does, and patient: ending Envoy costs every request in flight.
        "livenessProbe": {
            "httpGet": {"path": "/ready", "port": "stats"},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "640Mi"}},
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount(_scratch(PROXY), "/tmp"), mount(_ROUTES, _ROUTES_DIR, read_only=True)],
    }


def _model(service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer) -> Body:
    """The server: it cannot write to the model, and before it is told to end, its requests do."""
    drain = [
        f"{SHARED_DIR}/bin/busybox",
        "sh",
        f"{SHARED_DIR}/bin/drain.sh",
        str(_OUT_OF_ENDPOINTS_SECONDS),
        str(_DRAIN_SECONDS),
    ]
    return {
        "name": MODEL,
        "image": server.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": list(server.command),
        "args": list(server.args),
        "env": container_environment(server, version),
        "resources": container_resources(server),
        "lifecycle": {"preStop": {"exec": {"command": drain}}},
        **warm_up.probe(service, server),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            mount(_MODELS, MODEL_DIR, read_only=True),
            mount(SHARED, SHARED_DIR, read_only=True),
            mount(_scratch(MODEL), "/tmp"),
            *warm_up.mounts(service),
            *mounts(server.volume_mounts),
        ],
    }


def _scratch(container: str) -> str:
    return f"scratch-{container}"
