"""What killed attempts left in the middle: cleared away where that is allowed, and never in the way of anything."""

import logging

from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.removing import abort_uploads

_log = logging.getLogger(__name__)


def abort_incomplete_uploads(client: S3Client, bucket: str, prefix: str) -> None:
    """Give up every upload in parts below `prefix` that was not completed."""
    try:
        count = abort_uploads(client, bucket, prefix)
        if count:
            _log.info("%d uploads that were left in the middle are given up", count)
    except S3Error as problem:
        _log.info("uploads that were left in the middle stay: %s", problem.message)
