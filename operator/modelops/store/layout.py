"""Layout of objects in S3, and S3 URIs: `s3://bucket/key`. Pure."""

from typing import NamedTuple

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import hex_digits

_SCHEME = "s3://"


class Location(NamedTuple):
    """Bucket, and key or key prefix."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as `s3://bucket/key`."""
        return f"{_SCHEME}{self.bucket}/{self.key}"


def parse(uri: str) -> Location:
    """Return the location of an `s3://` URI. Raises ValueError for any other URI, and for a URI without a bucket."""
    bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise ValueError(f"{uri!r} is not an S3 URI; write it like s3://bucket/prefix/")
    return Location(bucket, key)


def location_below(place: S3Place, path: str) -> Location:
    """Return the location of `path` below a place's prefix, whether or not the prefix ends with a slash."""
    prefix = place.prefix.strip("/")
    return Location(place.bucket, f"{prefix}/{path}" if prefix else path)


def manifest_of(store: S3Place, digest: str) -> Location:
    """Return the location of a dataset's manifest."""
    return location_below(store, f"datasets/manifests/sha256-{hex_digits(digest)}")


def profile_of(store: S3Place, digest: str) -> Location:
    """Return the location of the profile with a digest."""
    return location_below(store, f"datasets/profiles/sha256-{hex_digits(digest)}.json")


def model_of(store: S3Place, digest: str) -> Location:
    """Return the prefix, with its slash, of a model's files."""
    return location_below(store, f"models/sha256-{hex_digits(digest)}/")


def checkpoints_of(store: S3Place, run: str, key: str) -> Location:
    """Return the prefix, with its slash, of the checkpoints of a run for an input key."""
    return location_below(store, f"checkpoints/{run}/{key}/")


def history_of(store: S3Place, digest: str) -> Location:
    """Return the location of a stored metrics.jsonl. It is not below the model, whose listing makes its digest."""
    return location_below(store, f"runs/history/sha256-{hex_digits(digest)}.jsonl")


def packages_of(store: S3Place, digest: str) -> Location:
    """Return the location of the list of packages that a trainer ran with."""
    return location_below(store, f"runs/packages/sha256-{hex_digits(digest)}.txt")
