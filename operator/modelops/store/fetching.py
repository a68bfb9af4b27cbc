"""Bring one pinned object to disk, and make sure that it is that object.

Of every object the size is verified. Whether it is the state that was pinned, its version says, which cannot change;
where there is none, its ETag must be the pinned one. The bytes themselves are verified by what `store.proof` can make
of ETag and checksums; where that is nothing, the ETag of the answer must be the pinned one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client
from modelops.store.errors import Reason, S3Error, translate_errors
from modelops.store.integrity import PartsProof, Proof, checksum_proof, etag_proof, even_parts, parts_of
from modelops.store.listing import list_current
from modelops.store.pages import NO_VERSION

_CHUNK_BYTES = 1 << 20
_ABSENT = ("404", "NoSuchKey", "NotFound")
_NO_PARTS = ("400", "416", "501")


def fetch(client: S3Client, bucket: str, key: str, target: Path) -> str:
    """Write the current object to `target` and return its SHA-256 in hex. Raises S3Error."""
    sha256, size = hashlib.sha256(), 0
    with translate_errors(client, bucket, key), target.open("wb") as file:
        answer = client.get_object(Bucket=bucket, Key=key)
        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
            size += file.write(chunk)
            sha256.update(chunk)
    if size != answer["ContentLength"]:
        raise S3Error(Reason.ENDPOINT_UNREACHABLE, f'object "{key}": the connection ended early', transient=True)
    return sha256.hexdigest()


def fetch_pinned(client: S3Client, bucket: str, pinned: PinnedObject, target: Path) -> None:
    """Write the pinned version to `target`, verified.

    Raises S3Error: PinnedVersionMissing when the version is gone or, in a bucket without versions, was overwritten;
    ObjectMismatch when the bytes are not those that were pinned. Leaves no file behind then.
    """
    try:
        with translate_errors(client, bucket, pinned.key, pinned=True):
            # The SDK verifies what checksum it can while the body is read.
            answer, name = _asked(client.get_object, bucket, pinned, ChecksumMode="ENABLED")
            proof = _proof(client, name, pinned, answer)
            size = 0
            with target.open("wb") as file:
                for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    size += file.write(chunk)
                    if proof is not None:
                        proof.update(chunk)
        _check_state(client, bucket, pinned, answer, proof)
        _check_size(client, bucket, pinned, size)
        if proof is not None:
            _check_proof(client, name, pinned, proof, target)
    except IsADirectoryError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


class LargeObject:
    """A pinned object that is brought in ranges, in any order and several at once, into a file of its full size."""

    def __init__(self, client: S3Client, bucket: str, pinned: PinnedObject) -> None:
        """Ask what the object is, and no more. Raises S3Error as `fetch_pinned` does."""
        self._client, self._bucket, self._pinned = client, bucket, pinned
        with translate_errors(client, bucket, pinned.key, pinned=True):
            answer, self._name = _asked(client.head_object, bucket, pinned, ChecksumMode="ENABLED")
            self._proof = _proof(client, self._name, pinned, answer)
        _check_state(client, bucket, pinned, answer, self._proof)
        _check_size(client, bucket, pinned, answer["ContentLength"])
        self._etag = answer["ETag"]

    def fetch_range(self, start: int, length: int, target: Path) -> None:
        """Write `length` bytes from `start` on to their place in `target`. Raises S3Error."""
        with translate_errors(self._client, self._bucket, self._pinned.key, pinned=True):
            # The ETag holds the ranges together: all are of the object that the first answer spoke of.
            answer = self._client.get_object(
                **self._name, Range=f"bytes={start}-{start + length - 1}", IfMatch=self._etag
            )
            with target.open("r+b") as file:
                file.seek(start)
                if answer.get("ContentRange") != f"bytes {start}-{start + length - 1}/{self._pinned.size}":
                    raise S3Error(
                        Reason.NOT_S3,
                        f"{_where(self._client, self._bucket, self._pinned)}: the service does not answer with the "
                        "range that was asked for",
                        transient=False,
                    )
                for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    file.write(chunk)

    def verified(self, start: int, length: int, target: Path) -> None:
        """Take in a range that is in `target`; they must come in order. With the last one, verify the whole.

        Raises S3Error(ObjectMismatch).
        """
        if self._proof is None:
            return
        for chunk in _chunks(target, start, length):
            self._proof.update(chunk)
        if start + length == self._pinned.size:
            _check_proof(self._client, self._name, self._pinned, self._proof, target)


def _asked(call: Callable[..., dict[str, Any]], bucket: str, pinned: PinnedObject, **more: str) -> tuple[dict, dict]:
    """The answer, and what names the object for further requests.

    Asking for a version, even "null", needs a permission of its own: where there are none, ask for the object.
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
    # The bucket was versioned after the snapshot, and the object overwritten: what was pinned is still there.
    if "Body" in answer:
        answer["Body"].close()
    return call(**version, **more), version


def _proof(client: S3Client, name: Mapping[str, str], pinned: PinnedObject, answer: Mapping[str, Any]) -> Proof | None:
    count = parts_of(pinned.etag, answer)
    if not count:
        return etag_proof(pinned.etag, answer) or checksum_proof(answer)
    try:
        first = client.head_object(**name, PartNumber=1)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _NO_PARTS:
            raise
        first = {"PartsCount": 0}
    if first.get("PartsCount", 1) != count:  # The service does not tell of parts.
        return checksum_proof(answer)
    sizes = even_parts(pinned.size, count, first["ContentLength"])
    return PartsProof(pinned.etag, sizes or _part_sizes(client, name, count))


def _part_sizes(client: S3Client, name: Mapping[str, str], count: int) -> list[int]:
    return [client.head_object(**name, PartNumber=number)["ContentLength"] for number in range(1, count + 1)]


def _check_state(
    client: S3Client, bucket: str, pinned: PinnedObject, answer: Mapping[str, Any], proof: Proof | None
) -> None:
    """A version cannot change; what has none may have been overwritten since it was pinned."""
    versioned = pinned.version_id != NO_VERSION
    if answer.get("ETag", "").strip('"') == pinned.etag or (versioned and proof is not None):
        return
    # The token came from a listing, and SeaweedFS can list another one than it serves: ask the same way again.
    if any(one == pinned for one in list_current(client, bucket, pinned.key).objects):
        return
    if versioned:
        raise S3Error(
            Reason.OBJECT_MISMATCH,
            f"{_where(client, bucket, pinned)}: its ETag is {answer.get('ETag')}, {pinned.etag} was pinned",
            transient=False,
        )
    raise S3Error(
        Reason.PINNED_VERSION_MISSING,
        f'bucket "{bucket}", object "{pinned.key}" was overwritten after the snapshot; '
        "take a new one, and turn on versioning to keep each state of the data",
        transient=False,
    )


def _check_size(client: S3Client, bucket: str, pinned: PinnedObject, size: int) -> None:
    if size != pinned.size:
        where = _where(client, bucket, pinned)
        raise S3Error(Reason.OBJECT_MISMATCH, f"{where}: {size} bytes came, {pinned.size} were pinned", transient=False)


def _check_proof(client: S3Client, name: Mapping[str, str], pinned: PinnedObject, proof: Proof, target: Path) -> None:
    wrong = proof.wrong()
    count = parts_of(pinned.etag, {})
    if wrong is not None and isinstance(proof, PartsProof) and count > 2:
        # Parts need not be of one size, though nearly all uploaders make them so: ask for each.
        with translate_errors(client, name["Bucket"], pinned.key, pinned=True):
            proof = PartsProof(pinned.etag, _part_sizes(client, name, count))
        for chunk in _chunks(target, 0, pinned.size):
            proof.update(chunk)
        wrong = proof.wrong()
    if wrong is not None:
        raise S3Error(Reason.OBJECT_MISMATCH, f"{_where(client, name['Bucket'], pinned)}: {wrong}", transient=False)


def _chunks(file: Path, start: int, length: int) -> Iterator[bytes]:
    with file.open("rb", buffering=0) as content:
        content.seek(start)
        while length and (chunk := content.read(min(_CHUNK_BYTES, length))):
            length -= len(chunk)
            yield chunk


def _where(client: S3Client, bucket: str, pinned: PinnedObject) -> str:
    return f'bucket "{bucket}" at {client.meta.endpoint_url}, object "{pinned.key}"'


def preallocate(target: Path, size: int) -> None:
    """Make `target` a file of `size` bytes, and fail now where there is no room for it."""
    with target.open("wb") as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
