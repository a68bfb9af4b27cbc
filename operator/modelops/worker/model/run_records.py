"""Records of a training run that are stored beside its model: the metrics of its steps, and its package list."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from modelops.api.contract.tasks import S3Place
from modelops.store.errors import S3Error
from modelops.store.layout import Location
from modelops.store.writing import write_once
from modelops.worker.runtime import paths
from modelops.worker.runtime.file_digest import digest_of_file
from modelops.worker.runtime.regular_file import open_regular_file
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of

MAX_HISTORY_BYTES = 64 << 20
MAX_PACKAGES_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def store_record(
    file: Path, store: S3Place, location_of: Callable[[S3Place, str], Location], max_bytes: int, seconds: float
) -> str | None:
    """Store a file at the location of its digest, with retries for up to `seconds`.

    Return its URI; None if there is nothing to store, or if it cannot be stored. Of a file of more than `max_bytes`
    the beginning is stored, in whole lines.
    """
    scratch = paths.scratch()
    copy = scratch / "record"
    try:
        if not _copy(file, copy, max_bytes):
            return None
        location = location_of(store, digest_of_file(copy))
        client = client_of(store)
        retry(lambda: write_once(client, location.bucket, location.key, copy), seconds=seconds)
        return location.uri
    except S3Error as problem:
        _log.warning("%s is not stored: %s", file.name, problem.message)
        return None
    finally:
        copy.unlink(missing_ok=True)
        scratch.rmdir()


def _copy(file: Path, copy: Path, max_bytes: int) -> bool:
    """Copy the beginning of a file. Return False if there is nothing to copy."""
    source = open_regular_file(file)
    if source is None:
        return False
    with source, copy.open("w+b") as target:
        left, last_line_end = max_bytes, -1
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            if (line_end := chunk.rfind(b"\n")) >= 0:
                last_line_end = target.tell() + line_end
            target.write(chunk)
            left -= len(chunk)
        if source.read(1):
            target.truncate(last_line_end + 1)
            _log.warning("%s has more than %d bytes: only its beginning is stored", file.name, max_bytes)
        return target.seek(0, os.SEEK_END) > 0
