"""A Dataset's source in tasks, in Pods and in messages. Pure."""

from typing import Any

from modelops.api.contract.tasks import S3Place
from modelops.api.types import DataSource, S3Source, VolumeSource
from modelops.controllers.containers import mount

Json = dict[str, Any]


def place_of(source: S3Source) -> S3Place:
    """Return the place of the objects, as a task names places."""
    return S3Place(
        bucket=source.bucket,
        prefix=source.prefix,
        endpoint=source.endpoint,
        region=source.region,
        secret_name=source.secret_ref.name if source.secret_ref else None,
    )


def claim_volume(name: str, source: VolumeSource) -> Json:
    """Build the volume of a claim. Read-only, since the kubelet would else change the owner of the files (fsGroup)."""
    return {"name": name, "persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}}


def claim_mount(name: str, path: str, source: VolumeSource) -> Json:
    """Build the mount of the source's directory."""
    return mount(name, path, read_only=True, sub_path=source.path)


def describe_source(source: DataSource) -> str:
    """Return where the data is stored, for a message, such as `s3://data/mortgage/`."""
    if source.pvc is not None:
        return f'/{source.pvc.path or ""} of claim "{source.pvc.claim_name}"'
    assert source.s3 is not None
    return f"s3://{source.s3.bucket}/{source.s3.prefix}"
