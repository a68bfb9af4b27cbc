"""Build Datasets and snapshots."""

from typing import Any

from modelops.api.dataset import Dataset
from modelops.machinery.resources import Body
from support.builders.common import NAMESPACE, ago, digest, metadata

S3: Body = {"s3": {"bucket": "data", "prefix": "mortgage/", "endpoint": "http://s3:8333", "secretRef": {"name": "s3"}}}
CLAIM: Body = {"pvc": {"claimName": "files", "path": "mortgage/2026"}}


def dataset(
    name: str = "mortgage",
    status: Body | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Dataset:
    """Build a Dataset of CSV files in S3."""
    about = metadata(name, generation=generation, annotations=annotations or {})
    return Dataset.model_validate({"metadata": about, "spec": {"source": S3, **spec}, "status": status or {}})


def snapshot(letter: str = "a", **changes: Any) -> Body:
    """Build a snapshot as in status.snapshot."""
    return {
        "digest": digest(letter),
        "shortDigest": letter * 12,
        "objects": 3,
        "bytes": 300,
        "rows": 30,
        "manifest": f"s3://store/ml/{NAMESPACE}/datasets/manifests/{letter}",
        "profile": f"s3://store/ml/{NAMESPACE}/datasets/profiles/{letter}",
        "createdAt": ago(hours=1),
        "source": S3,
        "versioned": True,
        "checkedWith": "other checks",
        **changes,
    }
