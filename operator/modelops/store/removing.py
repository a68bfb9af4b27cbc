"""Remove what nobody needs any more, and what killed processes left: objects, and uploads that were never completed."""

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors
from modelops.store.pages import NO_VERSION


def remove(client: S3Client, bucket: str, one: PinnedObject) -> None:
    """Remove an object as it was listed; with versions this very one, so that its bytes are gone. Raises S3Error."""
    version = {} if one.version_id == NO_VERSION else {"VersionId": one.version_id}
    with translate_errors(client, bucket, one.key):
        client.delete_object(Bucket=bucket, Key=one.key, **version)


def abort_uploads(client: S3Client, bucket: str, prefix: str) -> int:
    """Give up every upload in parts below `prefix` that was begun and not completed. How many. Raises S3Error."""
    with translate_errors(client, bucket):
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        # Some services look at no prefix here: another's upload must never be given up.
        begun = [one for page in pages for one in page.get("Uploads", ()) if one["Key"].startswith(prefix)]
    for one in begun:
        try:
            with translate_errors(client, bucket, one["Key"]):
                client.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
        except S3Error as problem:
            if problem.reason is not Reason.NO_SUCH_KEY:  # Somebody else was faster.
                raise
    return len(begun)
