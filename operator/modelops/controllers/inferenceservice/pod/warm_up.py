"""Requests that a new Pod's model answers before the Pod gets any other: their ConfigMap, and the probe. Pure."""

from collections.abc import Iterable

from modelops.api.inferenceservice import InferenceService, WarmUpRequest
from modelops.controllers.containers import SHARED_DIR, mount
from modelops.controllers.inferenceservice.pod.model_server import ModelServer, Unusable
from modelops.controllers.metadata import labels, owner_references
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body

COMPONENT = "warm-up"
VOLUME = "modelops-warm-up"
DIRECTORY = "/etc/modelops/warm-up"
_MOST_BYTES = 1024 * 1024
"""Of a ConfigMap's data: the API server takes no more."""
_TIMEOUT_SECONDS = 600
_FAILURES = 600
"""At least one second each: it is the rollout that gives up on a Pod, not the kubelet."""


def config_map(service: InferenceService) -> Body | None:
    """The requests as files. None where there are none.

    Its name is that of its content, so that a Pod never finds other requests than those of its revision.
    """
    files = _files(service)
    if not files:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _name(service, files),
            "namespace": service.metadata.namespace,
            "labels": labels(service, COMPONENT),
            "ownerReferences": owner_references(service),
        },
        "data": files,
        "immutable": True,
    }


def mounted_by(template: Body) -> str | None:
    """The name of the ConfigMap that Pods of a template need; None where they warm nothing up."""
    volumes = template["spec"].get("volumes", [])
    return next((one["configMap"]["name"] for one in volumes if one["name"] == VOLUME), None)


def too_large(service: InferenceService) -> Unusable | None:
    """A ConfigMap holds one MiB."""
    taken = sum(len(name) + len(content.encode()) for name, content in _files(service).items())
    if taken <= _MOST_BYTES:
        return None
    return Unusable(
        "WarmUpTooLarge",
        f"the requests of server.warmUp take {taken} bytes together, and there is room for {_MOST_BYTES}: make them "
        "fewer or shorter; a request that is sent several times with repeat is kept once",
    )


def requests(wanted: Iterable[WarmUpRequest]) -> dict[str, str]:
    """Each request as it goes over the wire, and how often it is sent, as files for `warm-up.sh`."""
    files: dict[str, str] = {}
    for number, request in enumerate(wanted):
        files[f"{number:02}.request"] = _wire(request)
        files[f"{number:02}.repeat"] = f"{request.repeat}\n"
    return files


def volumes(service: InferenceService) -> list[Body]:
    """The Pod's volume of the requests."""
    files = _files(service)
    return [{"name": VOLUME, "configMap": {"name": _name(service, files), "defaultMode": 0o444}}] if files else []


def mounts(service: InferenceService) -> list[Body]:
    """Where they are in the server's container."""
    return [mount(VOLUME, DIRECTORY, read_only=True)] if service.spec.server.warm_up else []


def probe(service: InferenceService, server: ModelServer) -> Body:
    """The startup probe of the server's container, as its fields to add; empty where there is nothing to warm up.

    Until it has passed the container is not ready, and so the Pod gets no requests. The kubelet tells what it says in
    an Event, and tries again.
    """
    if service.spec.server.warm_up is None:
        return {}
    script = [f"{SHARED_DIR}/bin/busybox", "sh", f"{SHARED_DIR}/bin/warm-up.sh"]
    path = server.readiness_path.replace(" ", "%20")
    return {
        "startupProbe": {
            "exec": {"command": [*script, DIRECTORY, str(server.http_port), path]},
            "periodSeconds": 1,
            "timeoutSeconds": _TIMEOUT_SECONDS,
            "failureThreshold": _FAILURES,
        }
    }


def _files(service: InferenceService) -> dict[str, str]:
    warm_up = service.spec.server.warm_up
    return requests(warm_up.requests) if warm_up is not None else {}


def _wire(request: WarmUpRequest) -> str:
    head = [f"{'POST' if request.body else 'GET'} {request.path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if request.body:
        head += [f"Content-Type: {request.content_type}", f"Content-Length: {len(request.body.encode())}"]
    return "\r\n".join([*head, "", request.body])


def _name(service: InferenceService, files: dict[str, str]) -> str:
    return f"{service.metadata.name}-warm-up-{short(json_digest(files), 10)}"
