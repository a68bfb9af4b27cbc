"""Datasets on the real cluster: their conditions, and digests recomputed from what S3 lists."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from support.real_cluster import Body, Space, condition, has


def message(body: Body, type_: str = "Ready") -> str:
    """Return the message of a condition, which must exist."""
    entry = condition(body, type_)
    assert entry is not None
    return str(entry["message"])


def reason(body: Body, type_: str = "Ready") -> str:
    """Return the reason of a condition, which must exist."""
    entry = condition(body, type_)
    assert entry is not None
    return str(entry["reason"])


def digest_of(space: Space, prefix: str) -> str:
    """Compute the documented digest from S3's own listing: sorted lines of key, version, size and entity tag."""
    listed = space.cluster.s3.list_object_versions(Bucket=space.bucket, Prefix=prefix)
    lines = [
        "\0".join((entry["Key"], entry["VersionId"], str(entry["Size"]), entry["ETag"].strip('"'))).encode() + b"\n"
        for entry in listed.get("Versions", [])
        if entry["IsLatest"] and (entry["Size"] or not entry["Key"].endswith("/"))
    ]
    return "sha256:" + hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def current(digest: str) -> Callable[[Body], bool]:
    """Return a predicate: the Dataset is Ready, and its current snapshot has this digest."""
    return lambda body: body.get("status", {}).get("snapshot", {}).get("digest") == digest and has("Ready")(body)


def claim_of(space: Space, name: str, directory: Path) -> tuple[Body, Body]:
    """Build a PersistentVolume on a directory that the embedded node shares, and the claim bound to the volume."""
    size = {"storage": "1Gi"}
    common = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    volume = f"{space.name}-{name}"
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **common,
                "capacity": size,
                "hostPath": {"path": str(directory), "type": "Directory"},
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": space.name, "name": name},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": space.name},
            "spec": {**common, "resources": {"requests": size}, "volumeName": volume},
        },
    )
