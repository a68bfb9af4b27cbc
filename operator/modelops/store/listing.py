"""What is in a bucket now: the current version of each object below a prefix, and the digest of it all."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from modelops.api.tasks import S3Place
from modelops.lineage.digests import DatasetDigest, OutOfOrder, Pinned, dataset_digest, manifest_line
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Problem, told_apart

NO_VERSION = "null"


class Listing(NamedTuple):
    """The objects below a prefix. `objects` asks for each page only when it is reached; it can be gone through once."""

    versioned: bool
    """Whether every state of the data stays readable: versioning is on, not off or suspended."""
    objects: Iterator[Pinned]


class Probe(NamedTuple):
    """A look at a Dataset's source: its digest, how many objects and how many bytes."""

    digest: str
    objects: int
    bytes: int
    versioned: bool
    newest: str | None = None
    """When the newest object was written."""


class TooMany(NamedTuple):
    """There are more objects than a look may list."""

    objects: int
    """How many were listed before it was given up."""


def list_current(client: S3Client, bucket: str, prefix: str) -> Listing:
    """The current objects below `prefix`, without "directories" (empty objects whose key ends in a slash).

    Raises S3Problem, here or while `objects` is gone through.
    """
    status = _versioning(client, bucket)
    pages = _latest_versions if status in ("Enabled", "Suspended") else _objects
    return Listing(status == "Enabled", _without_directories(pages(client, bucket, prefix)))


def probe(client: S3Client, place: S3Place, max_objects: int) -> Probe | TooMany:
    """Look at a place, in one pass and constant memory as long as the service lists keys in order. Raises S3Problem."""
    seen = _Tally()
    listing = list_current(client, place.bucket, place.prefix)
    digest = DatasetDigest()
    try:
        for one in listing.objects:
            digest.add(manifest_line(*seen.counted(one)))
            if seen.objects > max_objects:
                return TooMany(seen.objects)
        return Probe(digest.value, seen.objects, seen.bytes, listing.versioned)
    except OutOfOrder:
        # S3 Express and some gateways list in an order of their own: once more, with all lines in memory.
        seen = _Tally()
        listing = list_current(client, place.bucket, place.prefix)
        value = dataset_digest(manifest_line(*seen.counted(one)) for one in listing.objects)
        return Probe(value, seen.objects, seen.bytes, listing.versioned)


class _Tally:
    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0

    def counted(self, one: Pinned) -> Pinned:
        self.objects += 1
        self.bytes += one.size
        return one


def _versioning(client: S3Client, bucket: str) -> str:
    try:
        with told_apart(client, bucket):
            return str(client.get_bucket_versioning(Bucket=bucket).get("Status", "Off"))
    except S3Problem as problem:
        if problem.reason is Reason.UNEXPECTED and "NotImplemented" in problem.message:
            return "Off"
        raise


def _latest_versions(client: S3Client, bucket: str, prefix: str) -> Iterator[Pinned]:
    """Delete markers come in a list of their own: an object that is deleted has no latest version here."""
    for page in _pages(client.get_paginator("list_object_versions").paginate, client, bucket, prefix):
        for one in page.get("Versions", ()):
            if one["IsLatest"]:
                yield Pinned(
                    one["Key"], one.get("VersionId") or NO_VERSION, one["Size"], one.get("ETag", "").strip('"')
                )


def _objects(client: S3Client, bucket: str, prefix: str) -> Iterator[Pinned]:
    for page in _pages(client.get_paginator("list_objects_v2").paginate, client, bucket, prefix):
        for one in page.get("Contents", ()):
            yield Pinned(one["Key"], NO_VERSION, one["Size"], one.get("ETag", "").strip('"'))


def _pages(paginate: Callable[..., Iterator[dict]], client: S3Client, bucket: str, prefix: str) -> Iterator[dict]:
    with told_apart(client, bucket):
        yield from paginate(Bucket=bucket, Prefix=prefix)


def _without_directories(objects: Iterator[Pinned]) -> Iterator[Pinned]:
    return (one for one in objects if one.size or not one.key.endswith("/"))
