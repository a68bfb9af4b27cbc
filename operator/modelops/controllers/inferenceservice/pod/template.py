"""Pod template of a revision: containers, environment and volumes. Pure.

A revision's name is a hash of its template, so that every change of version, server or size is a new revision.
"""

import json
from dataclasses import dataclass

from modelops.api.annotations import ARTIFACT_DIGEST, LINEAGE
from modelops.api.contract.tasks import FetchModelTask
from modelops.api.durations import parse_duration
from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import GROUP
from modelops.api.modelversion import ModelVersion
from modelops.api.pods import PROXY_USER
from modelops.controllers.containers import (
    SHARED,
    SHARED_DIR,
    container_security,
    credential_volumes,
    empty_dir,
    literal,
    mount,
    pod_defaults,
    termination_message_policy,
    worker_container,
)
from modelops.controllers.disk import SMALL, TOOLS, room_for_files, room_for_scratch
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
from modelops.controllers.inferenceservice.pod.names import ROUTES_FILE, candidate_host, deployment_name
from modelops.controllers.inferenceservice.pod.volumes import mounts, volumes
from modelops.controllers.metadata import DATASET_DIGESTS, IMAGE_ID, INPUT_KEY, kind_label, labels
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

COMPONENT = "server"
VERSION = kind_label("modelversion")
REVISION = kind_label("revision")
READINESS_PATH = f"{GROUP}/readiness-path"
"""Annotation of a Pod: the path of its readiness probe."""
GRPC = f"{GROUP}/grpc"
"""Annotation of a Pod whose model has a port for gRPC."""
HTTP_PORT = 8080
STATS_PORT = 9090
PROBE_PORT = 9091
LOOPBACK_PORT = 15000
SERVICE_PORT = 80
_OUT_OF_ENDPOINTS_SECONDS = 5
_DRAIN_SECONDS = 30
_GRACE_SECONDS = 60
"""Time to leave the endpoints, to drain, and for the model and the proxy to terminate."""
_MODELS = "models"
_ROUTES = "routes"
_ROUTES_DIR = f"{warm_up.CONFIG_DIR}/routes"


def lineage_annotations(version: ModelVersion) -> dict[str, str]:
    """Return annotations that lead from a Pod to its model's training data, with kubectl alone.

    All of them come from the version's spec, which cannot change: a changed annotation would replace every Pod.
    """
    origin = version.spec.origin
    lineage: Body = {
        "modelVersion": version.metadata.name,
        "model": version.spec.model,
        # Without versions of objects: the manifest lists every object.
        "datasets": [dataset.model_copy(update={"object_versions": []}).wire() for dataset in origin.datasets],
    }
    if origin.training_run is not None:
        lineage["trainingRun"] = origin.training_run.wire()
    if origin.imported is not None:
        lineage["imported"] = origin.imported.wire()
    if origin.image:
        lineage["image"] = origin.image
    annotations = {ARTIFACT_DIGEST: version.spec.artifact.digest, LINEAGE: json.dumps(lineage, sort_keys=True)}
    if origin.training_run is not None:
        annotations[INPUT_KEY] = origin.training_run.input_key
    if origin.datasets:
        digests = {dataset.name: dataset.digest for dataset in origin.datasets}
        annotations[DATASET_DIGESTS] = json.dumps(digests, sort_keys=True)
    if origin.image:
        annotations[IMAGE_ID] = origin.image
    return annotations


def template(service: InferenceService, version: ModelVersion, settings: Settings) -> Body:
    """Build the Pod template of a version, with the revision's name in its labels: each revision has a Deployment."""
    server = model_server(service, settings, version)
    named = labels(service, COMPONENT, modelversion=version.metadata.name, model=version.spec.model)
    scraped = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(STATS_PORT),
        "prometheus.io/path": "/metrics",
    }
    serves = {READINESS_PATH: server.probe_path, **({GRPC: "true"} if server.grpc_port is not None else {})}
    metadata = {"labels": named, "annotations": {**lineage_annotations(version), **serves, **scraped}}
    identity = {
        "uid": service.metadata.uid,
        "metadata": metadata,
        "spec": _pod(service, version, settings, server, ""),
    }
    revision = short(json_digest(identity), 10)
    return {
        "metadata": {**metadata, "labels": {**named, REVISION: revision}},
        "spec": _pod(service, version, settings, server, revision),
    }


def selector(service: InferenceService) -> dict[str, str]:
    """Return the labels that all Pods of an InferenceService have, of every revision."""
    return {kind_label(InferenceService.__name__): service.metadata.name, "app.kubernetes.io/component": COMPONENT}


@dataclass(frozen=True)
class Serving:
    """Version that the Pods of a template serve, and the properties of the server that routes depend on."""

    version: str
    digest: str
    revision: str
    readiness_path: str
    grpc: bool


def serving_of(template: Body) -> Serving:
    """Read back from a template what its Pods serve: the version and server may no longer be those of the spec."""
    labels, annotations = (template["metadata"].get(part) or {} for part in ("labels", "annotations"))
    return Serving(
        version=labels.get(VERSION, ""),
        digest=annotations.get(ARTIFACT_DIGEST, ""),
        revision=labels.get(REVISION, ""),
        readiness_path=annotations.get(READINESS_PATH, "/"),
        grpc=annotations.get(GRPC) == "true",
    )


def _pod(
    service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer, revision: str
) -> Body:
    secrets = [settings.store.secret_name] if settings.store.secret_name else []
    directories = {
        SHARED: TOOLS,
        _MODELS: room_for_files(version.spec.artifact.bytes),
        _scratch(FETCH): SMALL,
        _scratch(PROXY): SMALL,
        _scratch(MODEL): room_for_scratch(settings.disk),
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(service)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    # The name contains the revision, which is a hash of everything else.
    routes = {"name": _ROUTES, "configMap": {"name": deployment_name(service, revision), "defaultMode": 0o444}}
    return {
        # Always set: when the field is removed, the API server keeps the last name.
        "serviceAccountName": "default",
        **pod_defaults(service.spec.pod, settings),
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "topologySpreadConstraints": [spread],
        "initContainers": [_fetch(version, settings, secrets), _proxy(service, version, settings, server, revision)],
        "containers": [_model(service, version, settings, server)],
        "volumes": [
            *(empty_dir(name, size) for name, size in directories.items()),
            routes,
            *credential_volumes(secrets),
            *warm_up.volumes(service),
            *volumes(service.spec.pod.volumes),
        ],
    }


def _fetch(version: ModelVersion, settings: Settings, secrets: list[str]) -> Body:
    """Build the container that downloads the artifact and verifies its digest.

    Only this container mounts credentials, and it terminates before any other container starts.
    """
    artifact = version.spec.artifact
    return worker_container(
        FETCH,
        settings.images.worker,
        settings.image_pull_policy,
        "fetch-model",
        FetchModelTask(
            artifact_uri=artifact.uri,
            digest=artifact.digest,
            bytes=artifact.bytes,
            store=settings.store.place_of(version.metadata.namespace),
        ),
        secrets,
        [mount(SHARED, SHARED_DIR), mount(_MODELS, MODEL_DIR)],
        scratch=_scratch(FETCH),
    )


def _proxy(
    service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer, revision: str
) -> Body:
    """Build the container of Envoy and the monitor.

    A native sidecar: the proxy starts before the model and terminates after the model. The Pod's only readiness probe
    reaches the model through the proxy, because the model may listen on loopback alone. The startup probe asks Envoy
    alone: the model starts once Envoy has its ports, so that no model can take them first. The user is not the model's,
    which runs any code.
    """
    path = server.probe_path
    environment = {
        "LISTEN_PORT": str(HTTP_PORT),
        "STATS_PORT": str(STATS_PORT),
        "PROBE_PORT": str(PROBE_PORT),
        "LOOPBACK_PORT": str(LOOPBACK_PORT),
        "MODEL_PORT": str(server.http_port),
        "READINESS_PATH": path,
        "INFERENCE_SERVICE": service.metadata.name,
        "MODEL_NAME": version.spec.model,
        "MODEL_VERSION": version.metadata.name,
        "ARTIFACT_DIGEST": version.spec.artifact.digest,
        "ROUTES_PATH": f"{_ROUTES_DIR}/{ROUTES_FILE}",
        "CANDIDATE_HOST": candidate_host(service, settings.cluster_domain),
        "CANDIDATE_PORT": str(SERVICE_PORT),
        "MAX_CONNECTIONS": str(settings.proxy.max_connections),
        "CONNECTION_IDLE_SECONDS": _seconds(settings.proxy.idle_timeout),
        "STREAM_IDLE_SECONDS": _seconds(settings.proxy.stream_idle_timeout),
    }
    if server.max_body_bytes is not None:
        environment["MAX_BODY_BYTES"] = str(server.max_body_bytes)
    if service.spec.limits.max_concurrency is not None:
        environment["MAX_CONCURRENCY"] = str(service.spec.limits.max_concurrency)
    if server.grpc_port is not None:
        environment["MODEL_GRPC_PORT"] = str(server.grpc_port)
    if server.paths:
        environment["PATHS"] = " ".join([*server.paths, path.partition("?")[0]])
    if revision:
        environment["REVISION"] = revision
    return {
        "name": PROXY,
        "image": settings.images.monitor,
        "imagePullPolicy": settings.image_pull_policy,
        "args": ["supervise"],
        "restartPolicy": "Always",
        "env": [{"name": f"MODELOPS_{name}", "value": literal(value)} for name, value in environment.items()],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "stats", "containerPort": STATS_PORT, "protocol": "TCP"},
            {"name": "probe", "containerPort": PROBE_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"path": path, "port": "probe"},
            "periodSeconds": 3,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
        "startupProbe": {
            "httpGet": {"path": "/ready", "port": "stats"},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 120,
        },
        # Checks Envoy alone, and patiently: a restart of Envoy costs every request in flight.
        "livenessProbe": {
            "httpGet": {"path": "/ready", "port": "stats"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "640Mi"}},
        "securityContext": container_security(PROXY_USER),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount(_scratch(PROXY), "/tmp"), mount(_ROUTES, _ROUTES_DIR, read_only=True)],
    }


def _model(service: InferenceService, version: ModelVersion, settings: Settings, server: ModelServer) -> Body:
    """Build the container of the model server.

    The artifact is mounted read-only. On termination the container drains its requests before it receives SIGTERM.
    """
    drain = [
        f"{SHARED_DIR}/bin/busybox",
        "sh",
        f"{SHARED_DIR}/bin/drain.sh",
        str(_OUT_OF_ENDPOINTS_SECONDS),
        str(_DRAIN_SECONDS),
    ]
    variables = container_environment(server, version)
    mounted = [
        mount(_MODELS, MODEL_DIR, read_only=True),
        mount(SHARED, SHARED_DIR, read_only=True),
        mount(_scratch(MODEL), "/tmp"),
        *warm_up.mounts(service),
        *mounts(server.volume_mounts),
    ]
    return {
        "name": MODEL,
        "image": server.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": list(server.command),
        "args": list(server.args),
        "env": variables,
        "resources": container_resources(server),
        "lifecycle": {"preStop": {"exec": {"command": drain}}},
        **warm_up.probe(service, server),
        "securityContext": container_security(),
        "terminationMessagePolicy": termination_message_policy(variables, mounted, volumes(service.spec.pod.volumes)),
        "volumeMounts": mounted,
    }


def _seconds(length: str) -> str:
    return f"{parse_duration(length).total_seconds():.0f}"


def _scratch(container: str) -> str:
    return f"scratch-{container}"
