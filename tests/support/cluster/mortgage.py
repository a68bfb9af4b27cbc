"""Mortgage example, in the namespace and the bucket of a test."""

import json
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import places
from support.cluster.real_cluster import Body, Space, has

EXAMPLE = places.CHECKOUT / "examples" / "mortgage"
REQUEST = (EXAMPLE / "request.json").read_text()
PATH = "/v2/models/approval/infer"
_IMAGE = "modelops-example/mortgage:dev"


def data() -> str:
    """Return the example's data: mortgage applications as CSV."""
    return (EXAMPLE / "data" / "applications.csv").read_text()


def manifests(space: Space) -> list[Body]:
    """Return Dataset, TrainingRun and InferenceService of the README, moved to the test's namespace and bucket."""
    files = [EXAMPLE / "manifests" / f"{name}.yaml" for name in ("dataset", "trainingrun", "inferenceservice")]
    return [_moved(file, space) for file in files]


def rollout(space: Space, name: str) -> Body:
    """Return the TrainingRun of a version that the demo rolls out: second, slow or wrong."""
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
    """Return a predicate: the InferenceService is Ready, and its stable version is this version."""

    def check(body: Body) -> bool:
        return has("Ready")(body) and body["status"]["stable"]["version"] == version

    return check


def address(space: Space) -> str:
    """Return the cluster IP of the InferenceService's Service."""
    return space.address("approvals")


def resource_versions(space: Space) -> dict[str, str]:
    """Return the resourceVersion of each object and child in the namespace, which any write would change."""
    kinds = "datasets,trainingruns,modelversions,inferenceservices,jobs,deployments,services,pods"
    listed = json.loads(space.cluster.kubectl("get", kinds, "-n", space.name, "-o", "json"))["items"]
    return {f"{body['kind']}/{body['metadata']['name']}": body["metadata"]["resourceVersion"] for body in listed}
