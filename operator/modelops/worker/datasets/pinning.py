"""Pin the current objects of a bucket: list them into a manifest, in parallel ranges if the listing is large."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import manifest_line
from modelops.store.client import S3Client
from modelops.store.pages import ListedObject, Page, Position, in_seconds, pages
from modelops.store.ranges import KeyRange, KeyRanges, Segment, UnorderedListingError, contiguous, key_ranges
from modelops.worker.datasets.manifests import DatasetManifest, finish_manifest
from modelops.worker.runtime.parallel import THREADS, map_ordered
from modelops.worker.runtime.retry import retry

_HEAD_PAGES = 4
"""Pages that are listed serially at first. A listing of so few pages is not worth dividing."""
_SEGMENTS_PER_THREAD = 4
_log = logging.getLogger(__name__)


class PinnedListing(NamedTuple):
    """Result of listing a source."""

    manifest: DatasetManifest
    versioned: bool
    last_modified: str | None
    """Time at which the newest object was written, in whole seconds."""


class _Totals(NamedTuple):
    objects: int
    bytes: int
    last_modified: str


class _WrittenSegment(NamedTuple):
    segment: Segment
    file: Path
    totals: _Totals


def pin(client: S3Client, place: S3Place, file: Path, *, threads: int = THREADS) -> PinnedListing:
    """List the objects below a place's prefix into the manifest `file`, in constant memory; retry each page.

    Raises:
        S3Error: the bucket cannot be listed.
        UnrepresentableNameError: a key has a NUL or a line break.
        RepeatedKeyError: the bucket changed during the listing.
    """
    listing = retry(lambda: pages(client, place.bucket, place.prefix))

    def page(at: Position) -> Page:
        return retry(lambda: listing.page(at))

    head = list(islice(_pages_from(page, {}), _HEAD_PAGES))
    parts = [_write(_objects(head), file)]
    rest = head[-1].next
    if rest is not None:
        in_parallel = _list_in_parallel(page, retry(lambda: key_ranges(listing, head)), file, threads)
        parts += in_parallel or [_write(_objects(_pages_from(page, rest)), file, "ab")]
    objects, size = sum(part.objects for part in parts), sum(part.bytes for part in parts)
    last_modified = max(part.last_modified for part in parts)
    return PinnedListing(finish_manifest(file, objects, size), listing.versioned, in_seconds(last_modified))


def _list_in_parallel(
    page: Callable[[Position], Page], ranges: list[KeyRange], file: Path, threads: int
) -> list[_Totals]:
    """List each segment into a file, then append all files to `file`. Return nothing if they are not one listing."""
    if len(ranges) < 2:
        return []
    shared = KeyRanges(ranges)

    def write(directory: str, number: int) -> _WrittenSegment | None:
        segment = shared.begin_segment()
        if segment is None:
            return None
        part = Path(directory, str(number))
        try:
            return _WrittenSegment(segment, part, _write(segment.objects(page), part))
        except BaseException:
            shared.close()
            raise

    # A new directory each time: threads that still write when this function ends must not reach a later listing.
    with TemporaryDirectory(dir=file.parent, ignore_cleanup_errors=True) as directory:
        most = min(len(ranges), _SEGMENTS_PER_THREAD * threads)
        try:
            results = map_ordered(range(most), partial(write, directory), threads=threads, ahead=most)
            written = sorted(
                (result for result in results if result is not None), key=lambda result: result.segment.index
            )
            if not contiguous([part.segment for part in written]):
                raise UnorderedListingError
        except UnorderedListingError:
            _log.info("the segments are not contiguous; listing serially")
            return []
        with file.open("ab") as output:
            for part in written:
                with part.file.open("rb") as lines:
                    shutil.copyfileobj(lines, output)
        return [part.totals for part in written]


def _pages_from(page: Callable[[Position], Page], start: Position) -> Iterator[Page]:
    at: Position | None = start
    while at is not None:
        listed = page(at)
        yield listed
        at = listed.next


def _objects(listed: Iterable[Page]) -> Iterator[ListedObject]:
    for page in listed:
        yield from page.objects


def _write(objects: Iterable[ListedObject], file: Path, mode: Literal["wb", "ab"] = "wb") -> _Totals:
    count, size, last_modified = 0, 0, ""
    with file.open(mode) as output:
        for pinned, modified in objects:
            output.write(manifest_line(*pinned))
            count, size = count + 1, size + pinned.size
            last_modified = max(last_modified, modified)
    return _Totals(count, size, last_modified)
