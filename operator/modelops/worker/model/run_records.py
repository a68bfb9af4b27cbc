"""What else is kept of a run whose model was published: the metrics of its steps, and the packages it ran with."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from modelops.api.contract.tasks import S3Place
from modelops.store.errors import S3Error
from modelops.store.layout import Location
from modelops.store.writing import put_if_absent
from modelops.worker.runtime import paths
from modelops.worker.runtime.file_digest import digest_of_file
from modelops.worker.runtime.regular_file import open_regular_file
from modelops.worker.runtime.retry import retry
from modelops.worker.runtime.stores import client_of

MOST_HISTORY_BYTES = 64 << 20
MOST_PACKAGES_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def keep_record(
    file: Path, store: S3Place, place: Callable[[S3Place, str], Location], most_bytes: int, seconds: float
) -> str | None:
    """Store a file at the place of its digest. Its URI; None where there is nothing, or where it cannot be stored.

    Of a file of more than `most_bytes` the beginning is kept, in whole lines.
    """
    scratch = paths.scratch()
    copy = scratch / "record"
    try:
        if not _copied(file, copy, most_bytes):
            return None
        where = place(store, digest_of_file(copy))
        client = client_of(store)
        retry(lambda: put_if_absent(client, where.bucket, where.key, copy), seconds=seconds)
        return where.uri
    except S3Error as problem:
        _log.warning("%s is not kept: %s", file.name, problem.message)
        return None
    finally:
        copy.unlink(missing_ok=True)
        scratch.rmdir()


def _copied(file: Path, copy: Path, most_bytes: int) -> bool:
    """Whether there was anything to copy."""
    source = open_regular_file(file)
    if source is None:
        return False
    with source, copy.open("w+b") as target:
        left, ended = most_bytes, -1
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            if (last := chunk.rfind(b"\n")) >= 0:
                ended = target.tell() + last
            target.write(chunk)
            left -= len(chunk)
        if source.read(1):
            target.truncate(ended + 1)
            _log.warning("%s has more than %d bytes: only its beginning is kept", file.name, most_bytes)
        return target.seek(0, os.SEEK_END) > 0
