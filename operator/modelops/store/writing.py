"""Write an object once: an object that exists is never replaced."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.store.client import S3Client
from modelops.store.errors import S3Error, translate_errors

MULTIPART_BYTES = 64 << 20
"""Size above which a file is uploaded in parts of this size, or larger ones: S3 takes at most 10,000 parts."""
_MAX_PARTS = 10_000


class ContentChangedError(Exception):
    """A file has changed since its SHA-256 was taken. Nothing is written."""


def put_if_absent(
    client: S3Client,
    bucket: str,
    key: str,
    content: bytes | Path,
    *,
    part_bytes: int = MULTIPART_BYTES,
    sha256: str | None = None,
    before_part: Callable[[], object] = lambda: None,
) -> bool:
    """Write `content`, bytes or a file, at `key`. Return False, and write nothing, if an object exists there.

    Args:
        client: S3 client.
        bucket: Bucket to write to.
        key: Key to write to.
        content: Bytes, or a file of any size. One part of a file is in memory at a time.
        part_bytes: Size of a part of a multipart upload.
        sha256: Expected SHA-256 of the bytes sent, in hex.
        before_part: Called before each part; an exception that it raises aborts the upload.

    Raises:
        S3Error: The object could not be written. A multipart upload is aborted, so that no parts stay behind.
        ContentChangedError: The bytes do not have the SHA-256.
    """
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    try:
        with translate_errors(client, bucket, key):
            if size <= part_bytes:
                before_part()
                body = content if isinstance(content, bytes) else content.read_bytes()
                _check(key, sha256, hashlib.sha256(body))
                client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", ContentMD5=_md5(body))
            elif _exists(client, bucket, key):
                return False  # Saves the upload. Of two uploads at once, the completion decides.
            else:
                parts = _parts(content, max(part_bytes, -(-size // _MAX_PARTS)))
                _put_in_parts(client, bucket, key, parts, sha256, before_part)
        return True
    except S3Error as problem:
        if not isinstance(problem.__cause__, ClientError):
            raise
        status = problem.__cause__.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        # 409: another client writes or deletes the object now. If it exists, that decides; otherwise the next try does.
        if status == 412:
            return False
        if status == 409:
            with translate_errors(client, bucket, key):
                if _exists(client, bucket, key):
                    return False
        raise


def _put_in_parts(
    client: S3Client,
    bucket: str,
    key: str,
    content: Iterator[bytes],
    sha256: str | None,
    before_part: Callable[[], object],
) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    name = {"Bucket": bucket, "Key": key, "UploadId": upload}
    digest = hashlib.sha256()
    parts = []
    try:
        for number, part in enumerate(content, start=1):
            before_part()
            digest.update(part)
            tag = client.upload_part(**name, PartNumber=number, Body=part, ContentMD5=_md5(part))["ETag"]
            parts.append({"PartNumber": number, "ETag": tag})
        _check(key, sha256, digest)
        client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        with suppress(Exception):
            client.abort_multipart_upload(**name)
        raise


def _check(key: str, expected: str | None, actual: "hashlib._Hash") -> None:
    if expected is not None and actual.hexdigest() != expected:
        raise ContentChangedError(f"{key}: the content changed while it was read")


def _parts(content: bytes | Path, part_bytes: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield from (content[start : start + part_bytes] for start in range(0, len(content), part_bytes))
        return
    with content.open("rb") as file:
        while part := file.read(part_bytes):
            yield part


def _exists(client: S3Client, bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
        return True
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return False
        raise


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
