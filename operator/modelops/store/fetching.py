"""Download one pinned object, and verify that it is the pinned object.

The size of every object is verified. A version cannot change; an object without a version must have the pinned ETag.
The bytes are verified by `store.integrity` with ETag and checksums. If these do not allow it, the ETag of the answer
must be the pinned one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors
from modelops.store.integrity import (
    MultipartVerifier,
    Verifier,
    checksum_verifier,
    equal_part_sizes,
    etag_verifier,
    part_count,
)
from modelops.store.listing import list_current
from modelops.store.pages import NO_VERSION

_CHUNK_BYTES = 1 << 20
_ABSENT = ("404", "NoSuchKey", "NotFound")
_NO_PARTS = ("400", "416", "501")


class ObjectTooLargeError(Exception):
    """The object has more bytes than the caller expects at most."""

    def __init__(self, key: str, max_bytes: int) -> None:
        super().__init__(f'object "{key}" has more than {max_bytes} bytes')


def fetch(client: S3Client, bucket: str, key: str, target: Path, *, max_bytes: int) -> str:
    """Download the current object to `target` and return its SHA-256 in hex.

    Raises S3Error, and ObjectTooLargeError if the object has more than `max_bytes`, which are not written.
    """
    sha256, size = hashlib.sha256(), 0
    with translate_errors(client, bucket, key), target.open("wb") as file:
        answer = client.get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            # A service need not say how long its answer is.
            if answer.get("ContentLength", 0) > max_bytes:
                raise ObjectTooLargeError(key, max_bytes)
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes)
                file.write(chunk)
                sha256.update(chunk)
    if size != answer.get("ContentLength", size):
        raise S3Error(
            Reason.ENDPOINT_UNREACHABLE, f'object "{key}": connection closed early; trying again', transient=True
        )
    return sha256.hexdigest()


def fetch_pinned(client: S3Client, bucket: str, pinned: PinnedObject, target: Path) -> None:
    """Download the pinned version to `target` and verify it.

    Raises S3Error: PinnedVersionMissing if the version was deleted or, in a bucket without versions, overwritten;
    ObjectMismatch if the bytes are not the pinned ones. No file is left behind then.
    """
    try:
        with translate_errors(client, bucket, pinned.key, pinned=True):
            # The SDK verifies the checksums that it can compute while the body is read.
            answer, name = _request(client.get_object, bucket, pinned, ChecksumMode="ENABLED")
            verifier = _verifier(client, name, pinned, answer)
            size = 0
            with target.open("wb") as file, closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > pinned.size:
                        break
                    file.write(chunk)
                    if verifier is not None:
                        verifier.update(chunk)
        _check_state(client, bucket, pinned, answer, verifier)
        _check_size(client, bucket, pinned, size)
        if verifier is not None:
            _check_bytes(client, name, pinned, verifier, target)
    except IsADirectoryError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


class LargeObject:
    """Pinned object that is downloaded in ranges, in any order and several at once, into a file of its full size."""

    def __init__(self, client: S3Client, bucket: str, pinned: PinnedObject) -> None:
        """Request the object's metadata. Raises S3Error as `fetch_pinned` does."""
        self._client, self._bucket, self._pinned = client, bucket, pinned
        with translate_errors(client, bucket, pinned.key, pinned=True):
            answer, self._name = _request(client.head_object, bucket, pinned, ChecksumMode="ENABLED")
            self._verifier = _verifier(client, self._name, pinned, answer)
        _check_state(client, bucket, pinned, answer, self._verifier)
        _check_size(client, bucket, pinned, answer["ContentLength"])
        self._etag = answer["ETag"]

    def fetch_range(self, start: int, length: int, target: Path) -> None:
        """Download `length` bytes from `start` on to the same position in `target`. Raises S3Error."""
        with translate_errors(self._client, self._bucket, self._pinned.key, pinned=True):
            # With the ETag, all ranges are of the object whose metadata was requested.
            answer = self._client.get_object(
                **self._name, Range=f"bytes={start}-{start + length - 1}", IfMatch=self._etag
            )
            with target.open("r+b") as file:
                file.seek(start)
                if answer.get("ContentRange") != f"bytes {start}-{start + length - 1}/{self._pinned.size}":
                    raise S3Error(
                        Reason.NOT_S3,
                        f"{_where(self._client, self._bucket, self._pinned)}: the service does not support ranges; "
                        "use an S3-compatible service",
                        transient=False,
                    )
                left = length
                with closing(answer["Body"]) as body:
                    for chunk in body.iter_chunks(_CHUNK_BYTES):
                        file.write(chunk[:left])
                        left -= len(chunk)
                        if left < 0:
                            break

    def verify_range(self, start: int, length: int, target: Path) -> None:
        """Verify a downloaded range of `target`. Ranges must come in order; the last one completes the verification.

        Raises S3Error(ObjectMismatch).
        """
        if self._verifier is None:
            return
        for chunk in _chunks(target, start, length):
            self._verifier.update(chunk)
        if start + length == self._pinned.size:
            _check_bytes(self._client, self._name, self._pinned, self._verifier, target)


def _request(
    call: Callable[..., dict[str, Any]], bucket: str, pinned: PinnedObject, **more: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the answer, and the arguments that name the object in further requests.

    To request a version, even "null", takes a permission of its own. An object without a version is therefore
    requested by its key alone.
    """
    name = {"Bucket": bucket, "Key": pinned.key}
    version = {**name, "VersionId": pinned.version_id}
    if pinned.version_id != NO_VERSION:
        return call(**version, **more), version
    try:
        answer = call(**name, **more)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _ABSENT:
            raise
        return call(**version, **more), version
    if answer.get("VersionId", NO_VERSION) == NO_VERSION:
        return answer, name
    # Versioning was turned on after the snapshot, and the object overwritten: the pinned state still exists.
    if "Body" in answer:
        answer["Body"].close()
    return call(**version, **more), version


def _verifier(
    client: S3Client, name: Mapping[str, str], pinned: PinnedObject, answer: Mapping[str, Any]
) -> Verifier | None:
    count = part_count(pinned.etag, answer)
    if not count:
        return etag_verifier(pinned.etag, answer) or checksum_verifier(answer)
    try:
        first = client.head_object(**name, PartNumber=1)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _NO_PARTS:
            raise
        first = {"PartsCount": 0}
    if first.get("PartsCount", 1) != count:  # The service does not report parts.
        return checksum_verifier(answer)
    sizes = equal_part_sizes(pinned.size, count, first["ContentLength"])
    return MultipartVerifier(pinned.etag, sizes or _part_sizes(client, name, count))


def _part_sizes(client: S3Client, name: Mapping[str, str], count: int) -> list[int]:
    return [client.head_object(**name, PartNumber=number)["ContentLength"] for number in range(1, count + 1)]


def _check_state(
    client: S3Client, bucket: str, pinned: PinnedObject, answer: Mapping[str, Any], verifier: Verifier | None
) -> None:
    """Raise S3Error if the object may have been overwritten since it was pinned. A version cannot change."""
    versioned = pinned.version_id != NO_VERSION
    if answer.get("ETag", "").strip('"') == pinned.etag or (versioned and verifier is not None):
        return
    # The pinned ETag came from a listing, and SeaweedFS can list another ETag than it serves: list again.
    if any(listed == pinned for listed in list_current(client, bucket, pinned.key).objects):
        return
    if versioned:
        raise S3Error(
            Reason.OBJECT_MISMATCH,
            f"{_where(client, bucket, pinned)}: the ETag is {answer.get('ETag')}, not the pinned {pinned.etag}",
            transient=False,
        )
    raise S3Error(
        Reason.PINNED_VERSION_MISSING,
        f"{_where(client, bucket, pinned)}: overwritten after the snapshot; "
        "take a new snapshot, and turn on versioning to keep each state of the data",
        transient=False,
    )


def _check_size(client: S3Client, bucket: str, pinned: PinnedObject, size: int) -> None:
    if size != pinned.size:
        where = _where(client, bucket, pinned)
        raise S3Error(Reason.OBJECT_MISMATCH, f"{where}: {size} bytes, not the pinned {pinned.size}", transient=False)


def _check_bytes(
    client: S3Client, name: Mapping[str, str], pinned: PinnedObject, verifier: Verifier, target: Path
) -> None:
    mismatch = verifier.mismatch()
    count = part_count(pinned.etag, {})
    if mismatch is not None and isinstance(verifier, MultipartVerifier) and count > 2:
        # Nearly all uploaders make parts of equal size, but need not: request the size of each part.
        with translate_errors(client, name["Bucket"], pinned.key, pinned=True):
            verifier = MultipartVerifier(pinned.etag, _part_sizes(client, name, count))
        for chunk in _chunks(target, 0, pinned.size):
            verifier.update(chunk)
        mismatch = verifier.mismatch()
    if mismatch is not None:
        raise S3Error(Reason.OBJECT_MISMATCH, f"{_where(client, name['Bucket'], pinned)}: {mismatch}", transient=False)


def _chunks(file: Path, start: int, length: int) -> Iterator[bytes]:
    with file.open("rb", buffering=0) as content:
        content.seek(start)
        while length and (chunk := content.read(min(_CHUNK_BYTES, length))):
            length -= len(chunk)
            yield chunk


def _where(client: S3Client, bucket: str, pinned: PinnedObject) -> str:
    return f'bucket "{bucket}" at {client.meta.endpoint_url}, object "{pinned.key}"'


def preallocate(target: Path, size: int) -> None:
    """Make `target` a file of `size` bytes. Raises OSError now if the disk has no room for it."""
    with target.open("wb") as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
