"""Bring many pinned objects to disk: several at once, large ones in several ranges at once, each verified.

The work is cut into pieces, a whole object or a range of one, and the pieces are done by a few threads and come back in
order. So memory is flat, one object that is huge is brought as fast as many small ones, and what is complete is always
the beginning of the list, which is what the journal of a fetch rests on.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.fetching import LargeObject, fetch_pinned, preallocate
from modelops.worker.datasets.download_journal import Journal, fingerprint
from modelops.worker.runtime.parallel import THREADS, each
from modelops.worker.runtime.retry import patiently

LARGE_BYTES = 64 << 20
"""An object larger than this is brought in ranges."""
RANGE_BYTES = 16 << 20


class Wanted(NamedTuple):
    """An object, and the file that it is to be."""

    pinned: PinnedObject
    target: Path


class _Piece(NamedTuple):
    wanted: Wanted
    start: int
    length: int
    large: LargeObject | None
    """None: the object is brought as a whole, or is there already."""
    there: bool

    @property
    def last(self) -> bool:
        return self.start + self.length == self.wanted.pinned.size

    @property
    def line(self) -> str:
        """What a journal says of it: of an object's last piece, that the file is complete and verified."""
        seen = fingerprint(self.wanted.target, finished=self.last)
        return f"{self.wanted.pinned.key!r} {self.start} {self.length} {seen}"


def bring(
    client: S3Client,
    bucket: str,
    wanted: Iterable[Wanted],
    *,
    journal: Journal | None = None,
    threads: int = THREADS,
    ahead: int = 4 * THREADS,
    large_bytes: int = LARGE_BYTES,
    range_bytes: int = RANGE_BYTES,
) -> Iterator[Wanted]:
    """Each object once it is complete and verified, in order; at most `ahead` pieces are begun before they are due.

    What the journal has, is not brought again. Raises S3Error and OSError; the files of objects that did not come
    back are not complete.
    """
    pieces = _pieces(client, bucket, wanted, journal, large_bytes, range_bytes)
    for piece in each(pieces, partial(_bring, client, bucket), threads=threads, ahead=ahead):
        if piece.large is not None:
            _verify(piece.large, piece)
        if journal is not None and not piece.there:
            journal.append(piece.line)
        if piece.last:
            yield piece.wanted


def _pieces(
    client: S3Client,
    bucket: str,
    wanted: Iterable[Wanted],
    journal: Journal | None,
    large_bytes: int,
    range_bytes: int,
) -> Iterator[_Piece]:
    for one in wanted:
        size = one.pinned.size
        length = range_bytes if size > large_bytes else size
        starts = range(0, size, length) if size else (0,)
        planned = [_Piece(one, start, min(length, size - start), None, False) for start in starts]
        there = [journal is not None and journal.has(piece.line) for piece in planned]
        large = None
        if size > large_bytes and not all(there):
            large = patiently(partial(LargeObject, client, bucket, one.pinned))
            if not any(there):
                preallocate(one.target, size)
        for piece, is_there in zip(planned, there, strict=True):
            yield piece._replace(large=large, there=is_there)


def _bring(client: S3Client, bucket: str, piece: _Piece) -> _Piece:
    pinned, target = piece.wanted
    if piece.there:
        return piece
    if piece.large is None:
        patiently(lambda: fetch_pinned(client, bucket, pinned, target))
    else:
        patiently(partial(piece.large.fetch_range, piece.start, piece.length, target))
    return piece


def _verify(large: LargeObject, piece: _Piece) -> None:
    try:
        large.verified(piece.start, piece.length, piece.wanted.target)
    except S3Error:
        piece.wanted.target.unlink(missing_ok=True)
        raise
