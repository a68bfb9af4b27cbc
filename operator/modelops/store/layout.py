"""Where something is in S3: `s3://bucket/key`."""

from typing import NamedTuple

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import hex_digits

_SCHEME = "s3://"


class Location(NamedTuple):
    """A bucket and a key (or a key prefix) in it."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """As `s3://bucket/key`."""
        return f"{_SCHEME}{self.bucket}/{self.key}"


def parse(uri: str) -> Location:
    """The location that an s3:// URI names. Raises ValueError for any other URI and for one without a bucket."""
    bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise ValueError(f"{uri!r} is no S3 URI; write it like s3://bucket/prefix/")
    return Location(bucket, key)


def below(place: S3Place, path: str) -> Location:
    """What is at `path` below a place's prefix, whether or not the prefix ends with a slash."""
    prefix = place.prefix.strip("/")
    return Location(place.bucket, f"{prefix}/{path}" if prefix else path)


def manifest_of(store: S3Place, digest: str) -> Location:
    """Where a dataset's manifest is kept."""
    return below(store, f"datasets/manifests/sha256-{hex_digits(digest)}")


def profile_of(store: S3Place, digest: str) -> Location:
    """Where the profile with this digest is kept."""
    return below(store, f"datasets/profiles/sha256-{hex_digits(digest)}.json")


def model_of(store: S3Place, digest: str) -> Location:
    """The prefix, with its slash, under which a model's files are kept."""
    return below(store, f"models/sha256-{hex_digits(digest)}/")


def checkpoints_of(store: S3Place, namespace: str, run: str, key: str) -> Location:
    """The prefix, with its slash, under which the checkpoints of a run for an input key are kept."""
    return below(store, f"checkpoints/{namespace}/{run}/{key}/")


def history_of(store: S3Place, digest: str) -> Location:
    """Where every line of a trainer's metrics.jsonl is kept. Not beside the model: its listing is its digest."""
    return below(store, f"runs/history/sha256-{hex_digits(digest)}.jsonl")


def packages_of(store: S3Place, digest: str) -> Location:
    """Where the list of the packages that a trainer ran with is kept."""
    return below(store, f"runs/packages/sha256-{hex_digits(digest)}.txt")
