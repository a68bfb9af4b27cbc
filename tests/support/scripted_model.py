"""Versions of a model that behave as a test wants: quick, slow, failing or wrong, in a container of a few lines."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelops.lineage.digests import ArtifactFile, artifact_digest
from support.real_cluster import Body, Space, has
from support.traffic import Traffic

MODEL = "behaving"
PATH = f"/v2/models/{MODEL}/infer"
REQUEST = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [2.0]}]})
_SERVER = (Path(__file__).parent / "scripted_model_server.py").read_text()
_FILE = "behaviour.json"


def version(space: Space, name: str, **behaviour: Any) -> Body:
    """A ModelVersion whose file says how it behaves (see scripted_model_server.py). It is uploaded here."""
    content = json.dumps(behaviour, sort_keys=True).encode()
    key = f"models/{name}/"
    space.upload(key + _FILE, content)
    digest = artifact_digest([ArtifactFile(_FILE, len(content), hashlib.sha256(content).hexdigest())])
    artifact = {"uri": f"s3://{space.bucket}/{key}", "digest": digest, "format": "custom", "bytes": len(content)}
    imported = {"imported": {"source": "a test"}}
    return space.object("ModelVersion", name, {"model": MODEL, "artifact": artifact, "origin": imported})


def forged(version_: Body) -> Body:
    """The same ModelVersion with a digest that its bytes have not."""
    artifact = {**version_["spec"]["artifact"], "digest": "sha256:" + "0" * 64}
    return {**version_, "spec": {**version_["spec"], "artifact": artifact}}


def service(space: Space, version_: str, name: str = "isvc", replicas: int = 1, **spec: Any) -> Body:
    """An InferenceService of one version."""
    container = {
        "image": space.cluster.images["examples"].by_digest,
        "command": ["python3", "-c", _SERVER],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    own = {"model": {"version": version_}, "server": {"container": container}, "replicas": {"min": replicas}, **spec}
    return space.object("InferenceService", name, own)


def serves(version_: str) -> Any:
    """Whether it serves a version with all its Pods, and nothing else is under way."""

    def check(body: Body) -> bool:
        status = body.get("status", {})
        ready = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), None)
        return (
            ready is not None
            and ready["status"] == "True"
            and ready["observedGeneration"] == body["metadata"]["generation"]
            and status["stable"]["version"] == version_
            and "candidate" not in status
        )

    return check


def failed(version_: str, reason: str) -> Any:
    """Whether it was rolled back from a version for a reason, and nothing of it is under way."""

    def check(body: Body) -> bool:
        status = body.get("status", {})
        entries = [(one["version"], one["reason"]) for one in status.get("failed", [])[:1]]
        return entries == [(version_, reason)] and "candidate" not in status and has("RolledBack")(body)

    return check


def ask(space: Space, name: str = "isvc", **annotations: str) -> None:
    """Ask for something by annotation, such as promote="1"."""
    given = [f"modelops.dev/{key.replace('_', '-')}={value}" for key, value in annotations.items()]
    space.cluster.kubectl("annotate", "inferenceservice", name, "-n", space.name, "--overwrite", *given)


def in_step(step: int) -> Any:
    """Whether the candidate's requests have been seen to follow a step."""

    def check(body: Body) -> bool:
        candidate = body.get("status", {}).get("candidate", {})
        return candidate.get("step") == step and "stepSince" in candidate

    return check


@contextmanager
def asked_in_every_way(space: Space, slow_clients: int) -> Iterator[tuple[Traffic, Traffic, Traffic]]:
    """Short requests, those of ten seconds and streams of six, of the last two by so many clients each."""
    where = address(space)
    with (
        Traffic(where, PATH, REQUEST, clients=6, pause=0.04) as short,
        Traffic(where, "/long?seconds=10", "{}", clients=slow_clients, expected=b"outputs") as long,
        Traffic(where, "/stream?seconds=6", "{}", clients=slow_clients, expected=b"[DONE]") as streamed,
    ):
        yield short, long, streamed


def address(space: Space, name: str = "isvc") -> str:
    """Where it answers."""
    return str(space.get("service", name)["spec"]["clusterIP"])
