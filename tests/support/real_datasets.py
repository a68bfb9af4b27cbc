"""Datasets on the real cluster: what the documentation says of them, looked up where it is kept."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from support.real_cluster import Body, Space, condition, has


def message(body: Body, type_: str = "Ready") -> str:
    """A condition's message."""
    found = condition(body, type_)
    assert found is not None
    return str(found["message"])


def reason(body: Body, type_: str = "Ready") -> str:
    """A condition's reason."""
    found = condition(body, type_)
    assert found is not None
    return str(found["reason"])


def digest_of(space: Space, prefix: str) -> str:
    """The digest by the documentation, from what S3 itself lists: sorted lines of key, version, size, entity tag."""
    listed = space.cluster.s3.list_object_versions(Bucket=space.bucket, Prefix=prefix)
    lines = [
        "\0".join((one["Key"], one["VersionId"], str(one["Size"]), one["ETag"].strip('"'))).encode() + b"\n"
        for one in listed.get("Versions", [])
        if one["IsLatest"] and (one["Size"] or not one["Key"].endswith("/"))
    ]
    return "sha256:" + hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def current(digest: str) -> Callable[[Body], bool]:
    """Whether a digest is that of the current snapshot."""
    return lambda body: body.get("status", {}).get("snapshot", {}).get("digest") == digest and has("Ready")(body)


def claim_of(space: Space, name: str, directory: Path) -> tuple[Body, Body]:
    """A volume on a directory of this machine, which the embedded node shares, and the claim that takes it."""
    size = {"storage": "1Gi"}
    about = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    volume = f"{space.name}-{name}"
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **about,
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
            "spec": {**about, "resources": {"requests": size}, "volumeName": volume},
        },
    )
