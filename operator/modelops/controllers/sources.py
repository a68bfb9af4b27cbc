"""A Dataset's source as a task names it."""

from modelops.api.tasks import S3Place
from modelops.api.types import S3Source


def place_of(source: S3Source) -> S3Place:
    """The place where the objects are."""
    return S3Place(
        bucket=source.bucket,
        prefix=source.prefix,
        endpoint=source.endpoint,
        region=source.region,
        secret_name=source.secret_ref.name if source.secret_ref else None,
    )
