"""Compare a stored object with the bytes that it should have, by the SHA-256 that S3 computed where S3 tells one.

- S3 computes the SHA-256 of an object whose upload names this algorithm, refuses other bytes, and tells HEAD the value.
- Of an object that was uploaded in parts S3 tells the SHA-256 of the parts' SHA-256s, a hyphen and the number of parts.
- Of an object whose upload named no algorithm, or another one, S3 tells no SHA-256: the object is read back.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
from pathlib import Path

from modelops.store.client import S3Client
from modelops.store.errors import translate_errors
from modelops.store.parts import MULTIPART_BYTES, parts_of, size_of

_CHUNK_BYTES = 1 << 20


def is_stored(
    client: S3Client,
    bucket: str,
    key: str,
    content: bytes | Path,
    sha256: str,
    *,
    part_bytes: int = MULTIPART_BYTES,
) -> bool:
    """Return whether the object at `key` has the bytes of `content`, whose SHA-256 is `sha256` in hex.

    `part_bytes` is the size of the parts in which `content` would be uploaded. Raises S3Error, also without an object.
    """
    size = size_of(content)
    with translate_errors(client, bucket, key):
        answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if answer["ContentLength"] != size:
        return False
    told = answer.get("ChecksumSHA256", "")
    if told and "-" not in told:
        return bool(told == base64_of(bytes.fromhex(sha256)))
    if told and (told, sha256) == _in_parts(content, part_bytes):
        return True
    # S3 tells nothing, or the parts had another size, which proves nothing either way.
    return _read_back(client, bucket, key, answer["ETag"], size) == sha256


def base64_of(digest: bytes) -> str:
    """Return a digest as S3 writes checksums."""
    return base64.b64encode(digest).decode()


def _in_parts(content: bytes | Path, part_bytes: int) -> tuple[str, str]:
    """Return the SHA-256 of the parts' SHA-256s as S3 writes it, and the SHA-256 of the whole content in hex."""
    whole, digests = hashlib.sha256(), []
    for part in parts_of(content, part_bytes):
        whole.update(part)
        digests.append(hashlib.sha256(part).digest())
    return f"{base64_of(hashlib.sha256(b''.join(digests)).digest())}-{len(digests)}", whole.hexdigest()


def _read_back(client: S3Client, bucket: str, key: str, etag: str, size: int) -> str:
    """Return the SHA-256 of the object in hex, or of its first bytes if there are more than `size`."""
    digest, left = hashlib.sha256(), size
    with translate_errors(client, bucket, key):
        body = client.get_object(Bucket=bucket, Key=key, IfMatch=etag)["Body"]
        try:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                left -= len(chunk)
                if left < 0:
                    break
        finally:
            body.close()
    return digest.hexdigest()
