"""Pin what is in a bucket now: list it, in several ranges at once where that helps, into a manifest."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from modelops.api.tasks import S3Place
from modelops.lineage.digests import manifest_line
from modelops.store.client import S3Client
from modelops.store.pages import Page, Position, Seen, in_seconds, pages
from modelops.store.ranges import Disordered, Range, Stretch, meet, ranges
from modelops.worker.manifests import Manifest, finish
from modelops.worker.parallel import THREADS, each
from modelops.worker.patience import patiently

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


class _Part(NamedTuple):
    range: Range
    file: Path


def pin(client: S3Client, place: S3Place, file: Path, *, threads: int = THREADS) -> Pinning:
    """List what is below a place's prefix into the manifest `file`, in flat memory, trying each page patiently.

    Raises S3Problem, Unspeakable and Repeated.
    """
    listed = patiently(lambda: pages(client, place.bucket, place.prefix))

    def page(at: Position) -> Page:
        return patiently(lambda: listed.page(at))

    head = page({})
    found = _at_once(page, patiently(lambda: ranges(listed, head)), head, file, threads)
    if found is None:
        found = [_write(_objects(page, head), file)]
    objects, size = sum(one.objects for one in found), sum(one.bytes for one in found)
    newest = max(one.newest for one in found)
    return Pinning(finish(file, objects, size), listed.versioned, in_seconds(newest))


def _objects(page: Callable[[Position], Page], head: Page) -> Iterator[Seen]:
    yield from head.objects
    at = head.next
    while at is not None:
        listed = page(at)
        yield from listed.objects
        at = listed.next


def _at_once(
    page: Callable[[Position], Page], cut: list[Range], head: Page, file: Path, threads: int
) -> list[_Sum] | None:
    """Each range into a file of its own, then all into one. None: they do not make up one listing."""
    if len(cut) < 2:
        return None
    # Of its own: threads that are still at it when this ends must not meet those of a next listing.
    with TemporaryDirectory(dir=file.parent, ignore_cleanup_errors=True) as directory:
        parts = [_Part(one, Path(directory, str(number))) for number, one in enumerate(cut)]
        try:
            if not head.in_order:
                raise Disordered
            listed = list(each(parts, partial(_write_part, page), threads=threads, ahead=len(parts)))
            if not meet([stretch for stretch, _ in listed]):
                raise Disordered
        except Disordered:
            _log.info("the listing's ranges do not meet: it is listed serially")
            return None
        first = _write(head.objects, file)
        with file.open("ab") as output:
            for part in parts:
                with part.file.open("rb") as lines:
                    shutil.copyfileobj(lines, output)
        return [first, *(found for _, found in listed)]


def _write_part(page: Callable[[Position], Page], part: _Part) -> tuple[Stretch, _Sum]:
    stretch = Stretch(page, part.range)
    return stretch, _write(stretch.objects(), part.file)


def _write(objects: Iterable[Seen], file: Path) -> _Sum:
    count, size, newest = 0, 0, ""
    with file.open("wb") as output:
        for pinned, modified in objects:
            output.write(manifest_line(*pinned))
            count, size = count + 1, size + pinned.size
            newest = max(newest, modified)
    return _Sum(count, size, newest)
