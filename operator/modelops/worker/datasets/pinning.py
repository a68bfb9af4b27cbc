"""Pin what is in a bucket now: list it, in several ranges at once where that helps, into a manifest."""

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
from modelops.worker.datasets.manifests import Manifest, finish
from modelops.worker.runtime.parallel import THREADS, map_ordered
from modelops.worker.runtime.retry import retry

_HEAD_PAGES = 4
"""What is listed before anything is known: a listing of so many pages is not worth cutting."""
_RUNS_A_THREAD = 4
_log = logging.getLogger(__name__)


class Pinning(NamedTuple):
    """What was listed."""

    manifest: Manifest
    versioned: bool
    newest: str | None
    """When the newest object was written, in whole seconds."""


class _Sum(NamedTuple):
    objects: int
    bytes: int
    newest: str


class _Written(NamedTuple):
    segment: Segment
    file: Path
    sum: _Sum


def pin(client: S3Client, place: S3Place, file: Path, *, threads: int = THREADS) -> Pinning:
    """List what is below a place's prefix into the manifest `file`, in flat memory, trying each page patiently.

    Raises S3Error, UnrepresentableNameError and Repeated.
    """
    listed = retry(lambda: pages(client, place.bucket, place.prefix))

    def page(at: Position) -> Page:
        return retry(lambda: listed.page(at))

    head = list(islice(_pages_from(page, {}), _HEAD_PAGES))
    sums = [_write(_objects(head), file)]
    rest = head[-1].next
    if rest is not None:
        at_once = _at_once(page, retry(lambda: key_ranges(listed, head)), file, threads)
        sums += at_once or [_write(_objects(_pages_from(page, rest)), file, "ab")]
    objects, size = sum(one.objects for one in sums), sum(one.bytes for one in sums)
    newest = max(one.newest for one in sums)
    return Pinning(finish(file, objects, size), listed.versioned, in_seconds(newest))


def _at_once(page: Callable[[Position], Page], cut: list[KeyRange], file: Path, threads: int) -> list[_Sum]:
    """Runs of ranges, each into a file of its own, then all to the end of one. Empty: they are not one listing."""
    if len(cut) < 2:
        return []
    shared = KeyRanges(cut)

    def write(directory: str, number: int) -> _Written | None:
        segment = shared.begin_segment()
        if segment is None:
            return None
        part = Path(directory, str(number))
        try:
            return _Written(segment, part, _write(segment.objects(page), part))
        except BaseException:
            shared.close()
            raise

    # Of its own: threads that are still at it when this ends must not meet those of a next listing.
    with TemporaryDirectory(dir=file.parent, ignore_cleanup_errors=True) as directory:
        most = min(len(cut), _RUNS_A_THREAD * threads)
        try:
            written = [
                one for one in map_ordered(range(most), partial(write, directory), threads=threads, ahead=most) if one
            ]
            written.sort(key=lambda one: one.segment.index)
            if not contiguous([part.segment for part in written]):
                raise UnorderedListingError
        except UnorderedListingError:
            _log.info("the listing's ranges do not meet: it is listed serially")
            return []
        with file.open("ab") as output:
            for one in written:
                with one.file.open("rb") as lines:
                    shutil.copyfileobj(lines, output)
        return [one.sum for one in written]


def _pages_from(page: Callable[[Position], Page], start: Position) -> Iterator[Page]:
    at: Position | None = start
    while at is not None:
        listed = page(at)
        yield listed
        at = listed.next


def _objects(listed: Iterable[Page]) -> Iterator[ListedObject]:
    for page in listed:
        yield from page.objects


def _write(objects: Iterable[ListedObject], file: Path, mode: Literal["wb", "ab"] = "wb") -> _Sum:
    count, size, newest = 0, 0, ""
    with file.open(mode) as output:
        for pinned, modified in objects:
            output.write(manifest_line(*pinned))
            count, size = count + 1, size + pinned.size
            newest = max(newest, modified)
    return _Sum(count, size, newest)
