"""Abort the multipart uploads that a killed attempt left incomplete."""

import logging

from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.removing import abort_uploads

_log = logging.getLogger(__name__)


def abort_incomplete_uploads(client: S3Client, bucket: str, prefix: str) -> None:
    """Abort every incomplete multipart upload below `prefix`.

    An S3Error is only logged: credentials need not be allowed to list or abort uploads.
    """
    try:
        count = abort_uploads(client, bucket, prefix)
        if count:
            _log.info("aborted %d incomplete uploads", count)
    except S3Error as problem:
        _log.info("incomplete uploads are not aborted: %s", problem.message)
