"""The mortgage example, in a namespace and a bucket of a test's own."""

import json
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import places
from support.real_cluster import Body, Space, condition, has

EXAMPLE = places.CHECKOUT / "examples" / "mortgage"
REQUEST = (EXAMPLE / "request.json").read_text()
PATH = "/v2/models/approval/infer"
_IMAGE = "modelops-example/mortgage:dev"


def data() -> str:
    """The applications."""
    return (EXAMPLE / "data" / "applications.csv").read_text()


def manifests(space: Space) -> list[Body]:
    """Dataset, TrainingRun and InferenceService as the README shows them."""
    files = [EXAMPLE / "manifests" / f"{name}.yaml" for name in ("dataset", "trainingrun", "inferenceservice")]
    return [_moved(file, space) for file in files]


def rollout(space: Space, name: str) -> Body:
    """The TrainingRun of a version that the demo rolls out: second, slow or wrong."""
    return _moved(EXAMPLE / "rollouts" / f"{name}.yaml", space)


def _moved(file: Path, space: Space) -> Body:
    text = file.read_text().replace(_IMAGE, space.cluster.images["examples"].by_digest)
    body: Body = yaml.safe_load(text)
    body["metadata"]["namespace"] = space.name
    if body["kind"] == "Dataset":
        body["spec"]["source"]["s3"]["bucket"] = space.bucket
        body["spec"].update(interval="2s", settle="1s")
    return body


def serves(version: str) -> Any:
    """Whether an InferenceService serves a version, and only that."""

    def check(body: Body) -> bool:
        return has("Ready")(body) and body["status"]["stable"]["version"] == version

    return check


def versions(space: Space) -> list[str]:
    """The ModelVersions, the oldest first."""
    found = space.listed("modelversions")
    return [one["metadata"]["name"] for one in sorted(found, key=lambda one: one["metadata"]["creationTimestamp"])]


def address(space: Space) -> str:
    """Where the InferenceService answers."""
    return space.address("approvals")


def resource_versions(space: Space) -> dict[str, str]:
    """Every object of ours and every child, with its resourceVersion: what a write would change."""
    kinds = "datasets,trainingruns,modelversions,inferenceservices,jobs,deployments,services,pods"
    listed = json.loads(space.cluster.kubectl("get", kinds, "-n", space.name, "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in listed}


def message(body: Body) -> str:
    """What Ready says."""
    ready = condition(body, "Ready")
    return ready["message"] if ready else ""
