"""Lineage from a serving Pod back to the training data of its model, by the Pod's annotations alone. Pure."""

import json
from typing import Any, NamedTuple

from modelops.api.annotations import ARTIFACT_DIGEST, LINEAGE
from modelops.api.kinds import GROUP
from modelops.cli.patches import RequestRefusedError

INFERENCE_SERVICE = f"{GROUP}/inferenceservice"
_MODEL_VERSION = f"{GROUP}/modelversion"

Body = dict[str, Any]


class Link(NamedTuple):
    """Object of a lineage."""

    depth: int
    """Distance from the Pod."""
    kind: str
    description: str


def trace_lineage(pod: Body) -> list[Link]:
    """Return the Pod, then everything that it was made from.

    Raises RequestRefusedError for a Pod that does not serve a model.
    """
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    try:
        lineage = json.loads(annotations[LINEAGE])
        version = lineage["modelVersion"]
    except (KeyError, ValueError, TypeError) as error:
        raise RequestRefusedError(
            f"Pod {metadata['name']} does not serve a model: no version in its annotation {LINEAGE}"
        ) from error
    links = [
        Link(0, "Pod", metadata["name"]),
        Link(1, "ModelVersion", f"{version}  artifact {annotations.get(ARTIFACT_DIGEST, 'unknown')}"),
    ]
    if run := lineage.get("trainingRun"):
        links.append(Link(2, "TrainingRun", f"{run['name']}  input key {run['inputKey']}"))
    if imported := lineage.get("imported"):
        links.append(Link(2, "Imported", f"from {imported['source']}"))
    if image := lineage.get("image"):
        links.append(Link(3, "Image", image))
    for dataset in lineage.get("datasets", []):
        links.append(Link(3, "Dataset", f"{dataset['dataset']}  {dataset['digest']}"))
        links.append(Link(4, "Manifest", f"{dataset['manifest']}  {dataset['objects']:,} objects"))
    return links


def one_pod_per_version(pods: list[Body]) -> list[Body]:
    """Return a Pod of each version that is served, a ready Pod where there is one."""
    running = [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
    ]
    chosen: dict[str, Body] = {}
    for pod in sorted(running, key=lambda pod: (not _is_ready(pod), pod["metadata"]["name"])):
        chosen.setdefault((pod["metadata"].get("labels") or {}).get(_MODEL_VERSION, ""), pod)
    return list(chosen.values())


def _is_ready(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
