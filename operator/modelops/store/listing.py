"""Listing of the current objects below a prefix, and the digest of all of them."""

from collections.abc import Iterator
from typing import NamedTuple

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import DatasetDigest, OutOfOrderError, PinnedObject, dataset_digest, manifest_line
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error
from modelops.store.pages import ListedObject, Pages, in_seconds, pages


class Listing(NamedTuple):
    """Objects below a prefix. `objects` can be iterated once, and requests each page only when it is reached."""

    versioned: bool
    """True if every state of the data stays readable: versioning is on, not off or suspended."""
    objects: Iterator[PinnedObject]


class ListingSummary(NamedTuple):
    """Result of a probe of a Dataset's source: the digest, and the number of objects and bytes."""

    digest: str
    objects: int
    bytes: int
    versioned: bool
    newest: str | None = None
    """Time at which the newest object was written, in whole seconds; None if there is no object."""


class TooManyObjects(NamedTuple):
    """Result of a probe that was stopped: the listing has more entries than the probe may read."""

    objects_seen: int


def list_current(client: S3Client, bucket: str, prefix: str) -> Listing:
    """Return the current objects below `prefix`, without "directories" (empty objects whose key ends with a slash).

    Raises S3Error, at once or while `objects` is iterated.
    """
    listed = pages(client, bucket, prefix)
    return Listing(listed.versioned, (item.pinned for page in listed.all() for item in page.objects))


def probe(client: S3Client, place: S3Place, max_objects: int) -> ListingSummary | TooManyObjects:
    """List a place and summarize the listing.

    At most `max_objects` entries are listed, rounded up to a page, on at most `max_pages` pages. Old versions and
    delete markers are entries too, since they cost as much. One page is in memory as long as the service lists keys in
    order; a service with another order is listed a second time, with one line for each object in memory.

    Raises S3Error.
    """
    if max_objects <= 0:
        return TooManyObjects(0)
    listed = pages(client, place.bucket, place.prefix)
    tally = _Tally()
    digest = DatasetDigest()
    try:
        for pinned in tally.counted(listed, max_objects):
            digest.add(manifest_line(*pinned))
        value = digest.value
    except OutOfOrderError:
        tally = _Tally()
        value = dataset_digest(manifest_line(*pinned) for pinned in tally.counted(listed, max_objects))
    if tally.too_many:
        return TooManyObjects(tally.objects)
    return ListingSummary(value, tally.objects, tally.bytes, listed.versioned, in_seconds(tally.newest))


def max_pages(max_entries: int) -> int:
    """Return the most pages that a probe lists: ten times those of a service that fills them, and a hundred more."""
    return 100 + max_entries // 100


def _too_many_pages(listed: Pages, pages_: int) -> S3Error:
    return S3Error(
        Reason.NOT_S3,
        f'bucket "{listed.bucket}" at {listed.client.meta.endpoint_url}: {pages_} pages that are nearly empty; use an'
        " S3-compatible service, or let a Job probe by probe.maxObjects: 0",
        transient=False,
        answered=True,
    )


class _Tally:
    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0
        self.newest = ""
        self.too_many = False

    def counted(self, listed: Pages, max_entries: int) -> Iterator[PinnedObject]:
        """Yield the objects and count them, up to the page on which there are too many entries."""
        entries = 0
        for number, page in enumerate(listed.all(), 1):
            if number > max_pages(max_entries):
                raise _too_many_pages(listed, number - 1)
            entries += len(page.keys)
            for item in page.objects:
                yield self._count(item)
            if entries > max_entries or (page.next is not None and entries >= max_entries):
                self.too_many = True
                return

    def _count(self, item: ListedObject) -> PinnedObject:
        self.objects += 1
        self.bytes += item.pinned.size
        self.newest = max(self.newest, item.modified)
        return item.pinned
