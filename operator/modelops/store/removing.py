"""Delete objects, and abort multipart uploads that were never completed."""

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors
from modelops.store.pages import NO_VERSION


def remove(client: S3Client, bucket: str, pinned: PinnedObject) -> None:
    """Delete an object as it was listed; in a bucket with versions, that version. Raises S3Error."""
    version = {} if pinned.version_id == NO_VERSION else {"VersionId": pinned.version_id}
    with translate_errors(client, bucket, pinned.key):
        client.delete_object(Bucket=bucket, Key=pinned.key, **version)


def abort_uploads(client: S3Client, bucket: str, prefix: str) -> int:
    """Abort every incomplete multipart upload below `prefix` and return their number. Raises S3Error."""
    with translate_errors(client, bucket):
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        # Some services ignore the prefix here: an upload of another prefix must never be aborted.
        uploads = [upload for page in pages for upload in page.get("Uploads", ()) if upload["Key"].startswith(prefix)]
    for upload in uploads:
        try:
            with translate_errors(client, bucket, upload["Key"]):
                client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except S3Error as problem:
            if problem.reason is not Reason.NO_SUCH_KEY:  # Aborted or completed meanwhile.
                raise
    return len(uploads)
