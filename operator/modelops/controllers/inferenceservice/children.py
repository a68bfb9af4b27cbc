"""An InferenceService's children: the Deployment whose Pods answer, and the Service that leads to them. Pure."""

import json

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.api.tasks import FetchModelTask
from modelops.controllers.containers import (
    SHARED,
    SHARED_DIR,
    container_security,
    credential_volumes,
    empty,
    literal,
    mount,
    pod_defaults,
    worker,
)
from modelops.controllers.inferenceservice import warm_up
from modelops.controllers.inferenceservice.names import deployment_name, service_name
from modelops.controllers.inferenceservice.problem import FETCH, MODEL, PROXY
from modelops.controllers.inferenceservice.rollout import REVISION
from modelops.controllers.inferenceservice.serving import (
    MODEL_DIR,
    ModelServer,
    container_environment,
    container_resources,
    grpc_port,
    model_server,
)
from modelops.controllers.inferenceservice.volumes import mounts, volumes
from modelops.controllers.marks import (
    ARTIFACT_DIGEST,
    DATASET_DIGESTS,
    IMAGE_ID,
    INPUT_KEY,
    LINEAGE,
    label_of,
    labels,
    owned_by,
)
from modelops.lineage.digests import sha256_of, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Runtime, Settings

COMPONENT = "server"
HTTP_PORT = 8080
STATS_PORT = 9090
ADMIN_PORT = 15000
SERVICE_PORT = 80
SERVICE_GRPC_PORT = 8081
PROGRESS_DEADLINE_SECONDS = 600
_OUT_OF_ENDPOINTS_SECONDS = 5
_DRAIN_SECONDS = 30
_GRACE_SECONDS = 60
"""The wait, the drain, then time for the model and the proxy to end."""
_REVISION_HISTORY = 2
_MODELS = "models"


def deployment(service: InferenceService, version: ModelVersion, settings: Settings) -> Body:
    """The one Deployment. Its template changes with the version, and so Kubernetes replaces Pod by Pod."""
    template = _template(service, version, settings)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(service),
            "namespace": service.metadata.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": lineage_marks(version),
            "ownerReferences": owned_by(service),
        },
        "spec": {
            "replicas": service.spec.replicas.min,
            "selector": {"matchLabels": selector(service)},
            # None goes before another one answers: a version that never answers costs nothing that serves.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": _REVISION_HISTORY,
            "template": template,
        },
    }


def endpoint(service: InferenceService, runtime: Runtime | None) -> Body:
    """The Service. HTTP and gRPC come in at the same port of the proxy, which tells them apart."""
    ports: list[Body] = [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}]
    if grpc_port(service, runtime) is not None:
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
        "metadata": {
            "name": service_name(service),
            "namespace": service.metadata.namespace,
            "labels": labels(service, COMPONENT),
            "ownerReferences": owned_by(service),
        },
        "spec": {"type": "ClusterIP", "selector": selector(service), "ports": ports},
    }


def selector(service: InferenceService) -> dict[str, str]:
    """What all Pods of an InferenceService have in common, whatever they serve."""
    return {label_of(InferenceService.__name__): service.metadata.name, "app.kubernetes.io/component": COMPONENT}


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


def _template(service: InferenceService, version: ModelVersion, settings: Settings) -> Body:
    """The Pod template, named by its content: the revision is what tells new Pods from old ones."""
    server = model_server(service, settings, version)
    named = labels(service, COMPONENT, modelversion=version.metadata.name, model=version.spec.model)
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(STATS_PORT),
        "prometheus.io/path": "/metrics",
    }
    metadata = {"labels": named, "annotations": {**lineage_marks(version), **scraped}}
    revision = short(sha256_of({"metadata": metadata, "spec": _pod(service, version, settings, server, "")}), 10)
    return {
        "metadata": {**metadata, "labels": {**named, REVISION: revision}},
        "spec": _pod(service, version, settings, server, revision),
    }


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
    return {
        # By name, always: an API server that is told no name any more keeps the last one.
        "serviceAccountName": "default",
        **pod_defaults(service.spec.pod),
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "topologySpreadConstraints": [spread],
        "initContainers": [_fetch(version, settings, secrets), _proxy(service, version, settings, server, revision)],
        "containers": [_model(service, version, settings, server)],
        "volumes": [
            *(empty(name) for name in rooms),
            *credential_volumes(secrets),
            *warm_up.volumes(service),
            *volumes(service.spec.pod.volumes),
        ],
    }


def _fetch(version: ModelVersion, settings: Settings, secrets: list[str]) -> Body:
    """Brings the artifact and refuses any other bytes. The only container that sees credentials, and ends before any
    other starts."""
    artifact = version.spec.artifact
    return worker(
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
    }
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
        "volumeMounts": [mount(_scratch(PROXY), "/tmp")],
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
