"""A Dataset's source as a task and a Pod name it."""

from typing import Any

from modelops.api.contract.tasks import S3Place
from modelops.api.types import DataSource, S3Source, VolumeSource
from modelops.controllers.containers import mount

Json = dict[str, Any]


def place_of(source: S3Source) -> S3Place:
    """The place where the objects are."""
    return S3Place(
        bucket=source.bucket,
        prefix=source.prefix,
        endpoint=source.endpoint,
        region=source.region,
        secret_name=source.secret_ref.name if source.secret_ref else None,
    )


def claim_volume(name: str, source: VolumeSource) -> Json:
    """A claim as a Pod's volume. Read-only, so that the kubelet does not change whom its files belong to either."""
    return {"name": name, "persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}}


def claim_mount(name: str, path: str, source: VolumeSource) -> Json:
    """Where a container finds the source's directory."""
    return mount(name, path, read_only=True, sub_path=source.path)


def describe_source(source: DataSource) -> str:
    """Where the data lives, for a sentence."""
    if source.pvc is not None:
        return f'/{source.pvc.path or ""} of claim "{source.pvc.claim_name}"'
    assert source.s3 is not None
    return f"s3://{source.s3.bucket}/{source.s3.prefix}"
