"""Warm-up: requests that a new Pod's model answers before the Pod is ready, as ConfigMap and startup probe. Pure."""

from collections.abc import Iterable

from modelops.api.inferenceservice import InferenceService, WarmUpRequest
from modelops.controllers.containers import SHARED_DIR, mount
from modelops.controllers.inferenceservice.pod.model_server import Misconfiguration, ModelServer
from modelops.controllers.metadata import labels, owner_references
from modelops.lineage.digests import json_digest, short
from modelops.machinery.resources import Body

COMPONENT = "warm-up"
VOLUME = "modelops-warm-up"
CONFIG_DIR = "/etc/modelops"
"""Directory of what the operator mounts from ConfigMaps."""
DIRECTORY = f"{CONFIG_DIR}/warm-up"
_MAX_BYTES = 1024 * 1024
"""Limit of the API server for the data of a ConfigMap."""
_TIMEOUT_SECONDS = 600
_FAILURES = 600
"""At least one second each: the rollout gives up on a Pod, not the kubelet."""


def config_map(service: InferenceService) -> Body | None:
    """Build the ConfigMap with the requests as files; None without requests.

    Its name has a hash of its content, so that a Pod always mounts the requests of its revision.
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


def mounted_config_map(template: Body) -> str | None:
    """Return the name of the ConfigMap that Pods of a template mount; None without a warm-up."""
    volumes = template["spec"].get("volumes", [])
    return next((volume["configMap"]["name"] for volume in volumes if volume["name"] == VOLUME), None)


def oversized(service: InferenceService) -> Misconfiguration | None:
    """Return the problem of requests that do not fit into a ConfigMap of 1 MiB."""
    size = sum(len(name) + len(content.encode()) for name, content in _files(service).items())
    if size <= _MAX_BYTES:
        return None
    return Misconfiguration(
        "WarmUpTooLarge",
        f"requests of server.warmUp have {size} bytes, at most {_MAX_BYTES} are possible: send fewer or shorter ones, "
        "or set repeat, which stores a request once",
    )


def request_files(requests: Iterable[WarmUpRequest]) -> dict[str, str]:
    """Return each request's HTTP message and its number of repetitions, as files for `warm-up.sh`."""
    files: dict[str, str] = {}
    for number, request in enumerate(requests):
        files[f"{number:02}.request"] = _http_message(request)
        files[f"{number:02}.repeat"] = f"{request.repeat}\n"
    return files


def volumes(service: InferenceService) -> list[Body]:
    """Build the Pod's volume of the requests."""
    files = _files(service)
    return [{"name": VOLUME, "configMap": {"name": _name(service, files), "defaultMode": 0o444}}] if files else []


def mounts(service: InferenceService) -> list[Body]:
    """Build the mount of the requests in the server's container."""
    return [mount(VOLUME, DIRECTORY, read_only=True)] if service.spec.server.warm_up else []


def probe(service: InferenceService, server: ModelServer) -> Body:
    """Build the fields that add the startup probe to the server's container; empty without a warm-up.

    The container is not ready until the probe has passed, so that the Pod gets no other requests before. The kubelet
    writes the output of a failed probe into an Event, and tries again.
    """
    if service.spec.server.warm_up is None:
        return {}
    script = [f"{SHARED_DIR}/bin/busybox", "sh", f"{SHARED_DIR}/bin/warm-up.sh"]
    return {
        "startupProbe": {
            "exec": {"command": [*script, DIRECTORY, str(server.http_port), server.probe_path]},
            "periodSeconds": 1,
            "timeoutSeconds": _TIMEOUT_SECONDS,
            "failureThreshold": _FAILURES,
        }
    }


def _files(service: InferenceService) -> dict[str, str]:
    warm_up = service.spec.server.warm_up
    return request_files(warm_up.requests) if warm_up is not None else {}


def _http_message(request: WarmUpRequest) -> str:
    head = [f"{'POST' if request.body else 'GET'} {request.path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if request.body:
        head += [f"Content-Type: {request.content_type}", f"Content-Length: {len(request.body.encode())}"]
    return "\r\n".join([*head, "", request.body])


def _name(service: InferenceService, files: dict[str, str]) -> str:
    return f"{service.metadata.name}-warm-up-{short(json_digest(files), 10)}"
