"""Bring one pinned object to disk, and make sure that it is that object."""

import hashlib
import re
from pathlib import Path
from typing import Any

from modelops.lineage.digests import Pinned
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Problem, told_apart
from modelops.store.listing import NO_VERSION, list_current

_CHUNK_BYTES = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")


def fetch_pinned(client: S3Client, bucket: str, pinned: Pinned, target: Path) -> None:
    """Write the pinned version to `target`, checked against its size and, where its ETag is an MD5, against that.

    Raises S3Problem: PinnedVersionMissing when the version is gone or, in a bucket without versions, was overwritten;
    ObjectMismatch when the bytes are not those that were pinned. Leaves no file behind then.
    """
    try:
        with told_apart(client, bucket, pinned.key, pinned=True):
            answer = _asked(client, bucket, pinned)
            size, md5, _ = _written(answer["Body"], target)
        _check_token(client, bucket, pinned, answer)
        _check_bytes(client, bucket, pinned, size, md5 if _etag_is_md5(answer) else None)
    except IsADirectoryError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def fetch(client: S3Client, bucket: str, key: str, target: Path) -> str:
    """Write the current object to `target` and return its SHA-256 in hex. Raises S3Problem."""
    with told_apart(client, bucket, key):
        answer = client.get_object(Bucket=bucket, Key=key)
        size, _, sha256 = _written(answer["Body"], target)
    if size != answer["ContentLength"]:
        raise S3Problem(Reason.ENDPOINT_UNREACHABLE, f'object "{key}": the connection ended early', transient=True)
    return sha256


def _asked(client: S3Client, bucket: str, pinned: Pinned) -> dict[str, Any]:
    """Asking for a version, even "null", needs a permission of its own: where there are none, ask for the object."""
    name = {"Bucket": bucket, "Key": pinned.key}
    if pinned.version_id != NO_VERSION:
        return client.get_object(**name, VersionId=pinned.version_id)
    try:
        answer = client.get_object(**name)
    except client.exceptions.NoSuchKey:
        return client.get_object(**name, VersionId=NO_VERSION)
    if answer.get("VersionId", NO_VERSION) == NO_VERSION:
        return answer
    # The bucket was versioned after the snapshot, and the object overwritten: what was pinned is still there.
    answer["Body"].close()
    return client.get_object(**name, VersionId=NO_VERSION)


def _written(body: Any, target: Path) -> tuple[int, str, str]:
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with target.open("wb") as file:
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            file.write(chunk)
            size += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
    return size, md5.hexdigest(), sha256.hexdigest()


def _check_token(client: S3Client, bucket: str, pinned: Pinned, answer: dict[str, Any]) -> None:
    """A version cannot change; what has none may have been overwritten since it was pinned."""
    if pinned.version_id != NO_VERSION or answer.get("ETag", "").strip('"') == pinned.etag:
        return
    # The token came from a listing, and SeaweedFS can list another one than it serves: ask the same way again.
    if any(one == pinned for one in list_current(client, bucket, pinned.key).objects):
        return
    raise S3Problem(
        Reason.PINNED_VERSION_MISSING,
        f'bucket "{bucket}", object "{pinned.key}" was overwritten after the snapshot; '
        "take a new one, and turn on versioning to keep each state of the data",
        transient=False,
    )


def _check_bytes(client: S3Client, bucket: str, pinned: Pinned, size: int, md5: str | None) -> None:
    where = f'bucket "{bucket}" at {client.meta.endpoint_url}, object "{pinned.key}"'
    if size != pinned.size:
        raise S3Problem(
            Reason.OBJECT_MISMATCH, f"{where}: {size} bytes came, {pinned.size} were pinned", transient=False
        )
    if md5 is not None and _MD5.fullmatch(pinned.etag) and md5 != pinned.etag:
        raise S3Problem(
            Reason.OBJECT_MISMATCH, f"{where}: its MD5 is {md5}, its ETag says {pinned.etag}", transient=False
        )


def _etag_is_md5(answer: dict[str, Any]) -> bool:
    """Encryption with a key of KMS or of the customer leaves an ETag that only looks like an MD5."""
    return not answer.get("ServerSideEncryption", "").startswith("aws:kms") and "SSECustomerAlgorithm" not in answer
