"""What is in a bucket now: the current version of each object below a prefix, and the digest of it all."""

from collections.abc import Iterator
from typing import NamedTuple

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import DatasetDigest, OutOfOrderError, PinnedObject, dataset_digest, manifest_line
from modelops.store.client import S3Client
from modelops.store.pages import Pages, Seen, in_seconds, pages


class Listing(NamedTuple):
    """The objects below a prefix. `objects` asks for each page only when it is reached; it can be gone through once."""

    versioned: bool
    """Whether every state of the data stays readable: versioning is on, not off or suspended."""
    objects: Iterator[PinnedObject]


class Probe(NamedTuple):
    """A look at a Dataset's source: its digest, how many objects and how many bytes."""

    digest: str
    objects: int
    bytes: int
    versioned: bool
    newest: str | None = None
    """When the newest object was written, in whole seconds; None where there is no object."""


class TooMany(NamedTuple):
    """A look that was broken off: the listing has more entries than may be looked at."""

    objects_seen: int


def list_current(client: S3Client, bucket: str, prefix: str) -> Listing:
    """The current objects below `prefix`, without "directories" (empty objects whose key ends in a slash).

    Raises S3Error, here or while `objects` is gone through.
    """
    listed = pages(client, bucket, prefix)
    return Listing(listed.versioned, (one.pinned for page in listed.all() for one in page.objects))


def probe(client: S3Client, place: S3Place, max_objects: int) -> Probe | TooMany:
    """Look at a place, in one pass that holds one page in memory as long as the service lists keys in order.

    At most `max_objects` entries are listed, rounded up to a page; old versions and delete markers are entries too,
    since they cost as much. A service that lists in another order is asked a second time, with one line an object in
    memory. Raises S3Error.
    """
    if max_objects <= 0:
        return TooMany(0)
    listed = pages(client, place.bucket, place.prefix)
    tally = _Tally()
    digest = DatasetDigest()
    try:
        for one in tally.counted(listed, max_objects):
            digest.add(manifest_line(*one))
        value = digest.value
    except OutOfOrderError:
        tally = _Tally()
        value = dataset_digest(manifest_line(*one) for one in tally.counted(listed, max_objects))
    if tally.too_many:
        return TooMany(tally.objects)
    return Probe(value, tally.objects, tally.bytes, listed.versioned, in_seconds(tally.newest))


class _Tally:
    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0
        self.newest = ""
        self.too_many = False

    def counted(self, listed: Pages, max_entries: int) -> Iterator[PinnedObject]:
        """The objects, until there are too many entries."""
        entries = 0
        for page in listed.all():
            entries += len(page.keys)
            for one in page.objects:
                yield self._count(one)
            if entries > max_entries or (page.next is not None and entries >= max_entries):
                self.too_many = True
                return

    def _count(self, one: Seen) -> PinnedObject:
        self.objects += 1
        self.bytes += one.pinned.size
        self.newest = max(self.newest, one.modified)
        return one.pinned
