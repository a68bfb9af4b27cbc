"""From a Pod that serves back to the data that its model learned from, by the Pod's own annotations. Pure."""

import json
from typing import Any

from modelops.api.annotations import ARTIFACT_DIGEST, LINEAGE
from modelops.api.kinds import GROUP
from modelops.cli.patches import RequestRefusedError

INFERENCE_SERVICE = f"{GROUP}/inferenceservice"
_MODEL_VERSION = f"{GROUP}/modelversion"

Body = dict[str, Any]
Link = tuple[int, str, str]
"""How deep it is, the kind, and what is to be said of it."""


def trace_lineage(pod: Body) -> list[Link]:
    """The Pod, then what each was made of."""
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    try:
        told = json.loads(annotations[LINEAGE])
        version = told["modelVersion"]
    except (KeyError, ValueError, TypeError) as error:
        raise RequestRefusedError(
            f"Pod {metadata['name']} does not serve a model: its annotation {LINEAGE} names none"
        ) from error
    links = [
        (0, "Pod", metadata["name"]),
        (1, "ModelVersion", f"{version}  artifact {annotations.get(ARTIFACT_DIGEST, 'unknown')}"),
    ]
    if run := told.get("trainingRun"):
        links.append((2, "TrainingRun", f"{run['name']}  inputs {run['inputKey']}"))
    if imported := told.get("imported"):
        links.append((2, "Imported", f"from {imported['source']}"))
    if image := told.get("image"):
        links.append((3, "Image", image))
    for one in told.get("datasets", []):
        links.append((3, "Dataset", f"{one['dataset']}  {one['digest']}"))
        links.append((4, "Manifest", f"{one['manifest']}  {one['objects']:,} objects"))
    return links


def one_pod_per_version(pods: list[Body]) -> list[Body]:
    """A Pod of each version that is served, those that answer first."""
    present = [
        pod
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
    ]
    chosen: dict[str, Body] = {}
    for pod in sorted(present, key=lambda pod: (not _answers(pod), pod["metadata"]["name"])):
        chosen.setdefault((pod["metadata"].get("labels") or {}).get(_MODEL_VERSION, ""), pod)
    return list(chosen.values())


def _answers(pod: Body) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
