"""Labels, annotations and owner references of the operator's children. Pure."""

import json
from typing import Any

from modelops.api.annotations import ARTIFACT_DIGEST as ARTIFACT_DIGEST
from modelops.api.annotations import LINEAGE
from modelops.api.kinds import API_VERSION, GROUP, Kind
from modelops.api.modelversion import OriginDataset
from modelops.machinery.ownership import kind_label as kind_label
from modelops.machinery.resources import MANAGED_BY, MANAGER

INPUT_KEY = f"{GROUP}/input-key"
DATASET_DIGESTS = f"{GROUP}/dataset-digests"
IMAGE_ID = f"{GROUP}/image-id"
_LABEL_LIMIT = 63


def labels(parent: Kind, component: str, **more: str) -> dict[str, str]:
    """Return the labels of a child. `more` maps a kind in lower case, such as modelversion, to a name."""
    return {
        "app.kubernetes.io/name": parent.metadata.name[:_LABEL_LIMIT],
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "modelops",
        MANAGED_BY: MANAGER,
        kind_label(type(parent).__name__): parent.metadata.name,
        **{kind_label(kind): name for kind, name in more.items()},
    }


def owner_references(parent: Kind) -> list[dict[str, Any]]:
    """Return the owner reference by which a child is deleted with its parent."""
    return [
        {
            "apiVersion": API_VERSION,
            "kind": type(parent).__name__,
            "name": parent.metadata.name,
            "uid": parent.metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def dataset_annotations(datasets: list[OriginDataset]) -> dict[str, str]:
    """Return annotations with the data that a model was trained on: digests for programs, the whole for people."""
    if not datasets:
        return {}
    return {
        DATASET_DIGESTS: json.dumps({dataset.name: dataset.digest for dataset in datasets}, sort_keys=True),
        LINEAGE: json.dumps({"datasets": [dataset.wire() for dataset in datasets]}, sort_keys=True),
    }
