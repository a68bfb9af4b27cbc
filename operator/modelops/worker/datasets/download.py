"""Download many pinned objects: several at once, large objects in several ranges at once, each object verified.

The work is a list of ranges, each a whole object or a part of one. A few threads download ranges, and results come back
in order. So memory is constant, one huge object is downloaded as fast as many small objects, and what is complete is
always the beginning of the list, which the journal of a download relies on.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.fetching import LargeObject, fetch_pinned, preallocate
from modelops.worker.datasets.download_journal import DownloadJournal, fingerprint
from modelops.worker.runtime.parallel import THREADS, map_ordered
from modelops.worker.runtime.retry import retry

LARGE_BYTES = 64 << 20
"""A larger object is downloaded in ranges."""
RANGE_BYTES = 16 << 20


class Download(NamedTuple):
    """A pinned object, and the file to write."""

    pinned: PinnedObject
    target: Path


class _Range(NamedTuple):
    download: Download
    start: int
    length: int
    large: LargeObject | None
    """None if the object is downloaded as a whole, or is complete already."""
    complete: bool
    """Whether the range is on disk already."""

    @property
    def last(self) -> bool:
        return self.start + self.length == self.download.pinned.size

    @property
    def line(self) -> str:
        """Line of the journal. The line of an object's last range records that the file is complete and verified."""
        state = fingerprint(self.download.target, finished=self.last)
        return f"{self.download.pinned.key!r} {self.start} {self.length} {state}"


def download_objects(
    client: S3Client,
    bucket: str,
    downloads: Iterable[Download],
    *,
    journal: DownloadJournal | None = None,
    threads: int = THREADS,
    ahead: int = 4 * THREADS,
    large_bytes: int = LARGE_BYTES,
    range_bytes: int = RANGE_BYTES,
) -> Iterator[Download]:
    """Yield each download once its file is complete and verified, in order. Ranges in `journal` are not repeated.

    At most `ahead` ranges are started before the iterator needs them. The file of a download that was not yielded is
    not complete.

    Raises:
        S3Error: an object cannot be downloaded, or is not the pinned one.
        OSError: a file cannot be written.
    """
    ranges = _ranges(client, bucket, downloads, journal, large_bytes, range_bytes)
    for part in map_ordered(ranges, partial(_fetch, client, bucket), threads=threads, ahead=ahead):
        if part.large is not None:
            _verify(part.large, part)
        if journal is not None and not part.complete:
            journal.append(part.line)
        if part.last:
            yield part.download


def _ranges(
    client: S3Client,
    bucket: str,
    downloads: Iterable[Download],
    journal: DownloadJournal | None,
    large_bytes: int,
    range_bytes: int,
) -> Iterator[_Range]:
    for download in downloads:
        size = download.pinned.size
        length = range_bytes if size > large_bytes else size
        starts = range(0, size, length) if size else (0,)
        parts = [_Range(download, start, min(length, size - start), None, False) for start in starts]
        complete = [journal is not None and journal.confirms(part.line) for part in parts]
        large = None
        if size > large_bytes and not all(complete):
            large = retry(partial(LargeObject, client, bucket, download.pinned))
            if not any(complete):
                preallocate(download.target, size)
        for part, is_complete in zip(parts, complete, strict=True):
            yield part._replace(large=large, complete=is_complete)


def _fetch(client: S3Client, bucket: str, part: _Range) -> _Range:
    pinned, target = part.download
    if part.complete:
        return part
    if part.large is None:
        retry(lambda: fetch_pinned(client, bucket, pinned, target))
    else:
        retry(partial(part.large.fetch_range, part.start, part.length, target))
    return part


def _verify(large: LargeObject, part: _Range) -> None:
    try:
        large.verify_range(part.start, part.length, part.download.target)
    except S3Error:
        part.download.target.unlink(missing_ok=True)
        raise
