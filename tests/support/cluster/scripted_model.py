"""Model versions that behave as a test scripts them: slow, failing or wrong, in a container of a few lines."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelops.lineage.digests import ArtifactFile, artifact_digest
from support.cluster.real_cluster import Body, Space, has
from support.cluster.traffic import Traffic

MODEL = "behaving"
PATH = f"/v2/models/{MODEL}/infer"
REQUEST = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [2.0]}]})
_SERVER = (Path(__file__).parent / "scripted_model_server.py").read_text()
_FILE = "behaviour.json"


def version(space: Space, name: str, **behaviour: Any) -> Body:
    """Upload an artifact with a behaviour (see scripted_model_server.py), and return its ModelVersion."""
    content = json.dumps(behaviour, sort_keys=True).encode()
    key = f"models/{name}/"
    space.upload(key + _FILE, content)
    digest = artifact_digest([ArtifactFile(_FILE, len(content), hashlib.sha256(content).hexdigest())])
    artifact = {"uri": f"s3://{space.bucket}/{key}", "digest": digest, "format": "custom", "bytes": len(content)}
    imported = {"imported": {"source": "a test"}}
    return space.object("ModelVersion", name, {"model": MODEL, "artifact": artifact, "origin": imported})


def with_wrong_digest(version_: Body) -> Body:
    """Return the ModelVersion with a digest that its artifact does not have."""
    artifact = {**version_["spec"]["artifact"], "digest": "sha256:" + "0" * 64}
    return {**version_, "spec": {**version_["spec"], "artifact": artifact}}


def service(space: Space, version_: str, name: str = "isvc", replicas: int = 1, **spec: Any) -> Body:
    """Build an InferenceService of one version."""
    container = {
        "image": space.cluster.images["examples"].by_digest,
        "command": ["python3", "-c", _SERVER],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    defaults = {"model": {"version": version_}, "server": {"container": container}, "replicas": {"min": replicas}}
    return space.object("InferenceService", name, {**defaults, **spec})


def serves(version_: str) -> Callable[[Body], bool]:
    """Return a condition: the InferenceService serves a version with all its Pods, and no rollout is in progress."""

    def check(body: Body) -> bool:
        status = body.get("status", {})
        ready = next((item for item in status.get("conditions", []) if item["type"] == "Ready"), None)
        return (
            ready is not None
            and ready["status"] == "True"
            and ready["observedGeneration"] == body["metadata"]["generation"]
            and status["stable"]["version"] == version_
            and "candidate" not in status
        )

    return check


def failed(version_: str, reason: str) -> Callable[[Body], bool]:
    """Return a condition: a version was rolled back for a reason, and no rollout is in progress."""

    def check(body: Body) -> bool:
        status = body.get("status", {})
        entries = [(entry["version"], entry["reason"]) for entry in status.get("failed", [])[:1]]
        return entries == [(version_, reason)] and "candidate" not in status and has("RolledBack")(body)

    return check


def annotate(space: Space, name: str = "isvc", **requests: str) -> None:
    """Make requests by annotation, such as promote="1", to the rollout of an InferenceService, in one's own name."""
    user = space.cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()
    assignments = []
    for key, value in requests.items():
        request = f"modelops.dev/{key.replace('_', '-')}"
        assignments += [f"{request}={value}", f"{request}-by={user}"]
    space.cluster.kubectl("annotate", "inferenceservice", name, "-n", space.name, "--overwrite", *assignments)


def in_step(step: int) -> Callable[[Body], bool]:
    """Return a condition: the traffic of a rollout has followed a step."""

    def check(body: Body) -> bool:
        candidate = body.get("status", {}).get("candidate", {})
        return candidate.get("step") == step and "stepSince" in candidate

    return check


@contextmanager
def all_kinds_of_traffic(space: Space, slow_clients: int) -> Iterator[tuple[Traffic, Traffic, Traffic]]:
    """Run clients with short requests, with requests of ten seconds, and with streams of six seconds.

    The last two kinds have `slow_clients` clients each.
    """
    host = address(space)
    with (
        Traffic(host, PATH, REQUEST, clients=6, pause=0.04) as short,
        Traffic(host, "/long?seconds=10", "{}", clients=slow_clients, expected=b"outputs") as long,
        Traffic(host, "/stream?seconds=6", "{}", clients=slow_clients, expected=b"[DONE]") as streamed,
    ):
        yield short, long, streamed


def address(space: Space, name: str = "isvc") -> str:
    """Return the cluster IP of an InferenceService's Service."""
    return str(space.get("service", name)["spec"]["clusterIP"])
