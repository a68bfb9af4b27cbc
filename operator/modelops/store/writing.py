"""Write an object once: an object that exists is never replaced.

Every upload names its SHA-256, so that S3 refuses other bytes and keeps the checksum, and its MD5, which services that
know no SHA-256 verify.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.store.client import S3Client
from modelops.store.comparing import base64_of, is_stored
from modelops.store.errors import Reason, S3Error, translate_errors
from modelops.store.parts import MULTIPART_BYTES, parts_of, size_of


class ContentChangedError(Exception):
    """A file has changed since its SHA-256 was taken. Nothing is written."""


def write_once(client: S3Client, bucket: str, key: str, content: bytes | Path) -> bool:
    """Write `content` at `key`, which names the content. Return False if the object exists already.

    Raises S3Error, with the reason ObjectMismatch if the object that exists has other bytes.
    """
    written = put_if_absent(client, bucket, key, content)
    if not written and not is_stored(client, bucket, key, content, _sha256(content)):
        where = f'bucket "{bucket}" at {client.meta.endpoint_url}, object "{key}"'
        raise S3Error(
            Reason.OBJECT_MISMATCH,
            f"{where}: it has other bytes than its name says, and nothing is overwritten; delete it",
            transient=False,
        )
    return written


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
    try:
        with translate_errors(client, bucket, key):
            if size_of(content) <= part_bytes:
                before_part()
                body = content if isinstance(content, bytes) else content.read_bytes()
                _check(key, sha256, hashlib.sha256(body))
                client.put_object(Bucket=bucket, Key=key, IfNoneMatch="*", **_body(body))
            elif _exists(client, bucket, key):
                return False  # Saves the upload. Of two uploads at once, the completion decides.
            else:
                _put_in_parts(client, bucket, key, parts_of(content, part_bytes), sha256, before_part)
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
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    name = {"Bucket": bucket, "Key": key, "UploadId": upload}
    digest = hashlib.sha256()
    parts = []
    try:
        for number, part in enumerate(content, start=1):
            before_part()
            digest.update(part)
            body = _body(part)
            tag = client.upload_part(**name, PartNumber=number, **body)["ETag"]
            parts.append({"PartNumber": number, "ETag": tag, "ChecksumSHA256": body["ChecksumSHA256"]})
        _check(key, sha256, digest)
        client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except BaseException:
        with suppress(Exception):
            client.abort_multipart_upload(**name)
        raise


def _check(key: str, expected: str | None, actual: "hashlib._Hash") -> None:
    if expected is not None and actual.hexdigest() != expected:
        raise ContentChangedError(f"{key}: the content changed while it was read")


def _exists(client: S3Client, bucket: str, key: str) -> bool:
    """Return whether there is an object; False also if S3 does not tell.

    S3 answers 403 in place of 404 to whoever may list some prefixes of the bucket only.
    """
    try:
        client.head_object(Bucket=bucket, Key=key)
        return True
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (403, 404):
            return False
        raise


def _body(body: bytes) -> dict[str, Any]:
    """Return the arguments of an upload of `body`, with the checksums by which S3 verifies what arrives."""
    return {
        "Body": body,
        "ContentMD5": base64_of(hashlib.md5(body, usedforsecurity=False).digest()),
        "ChecksumSHA256": base64_of(hashlib.sha256(body).digest()),
    }


def _sha256(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
