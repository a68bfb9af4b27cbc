"""Verify an object's bytes by its ETag if the ETag is made from the bytes, else by a checksum. Pure.

- The ETag of an object that was uploaded as a whole is the MD5 of its bytes.
- The ETag of a multipart upload is the MD5 of the parts' MD5s, a hyphen and the number of parts.
- Neither holds for an object encrypted with a key of KMS or of a customer: its ETag is made from other bytes.
- S3 may send a checksum of the whole object too. CRC-32, SHA-1 and SHA-256 can be computed here. CRC-32C and
  CRC-64/NVME need a C library, an extra of the SDK that the image does not have.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

_MD5 = re.compile(r"[0-9a-f]{32}")
_MULTIPART_ETAG = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")


class Verifier(Protocol):
    """Gets an object's bytes in order, and compares them at the end with what S3 says."""

    def update(self, content: bytes) -> None:
        """Add the next bytes."""

    def mismatch(self) -> str | None:
        """Return how the bytes differ from what S3 says, as a sentence; None if they do not differ."""


class Md5Verifier:
    """Verifies by an ETag that is an MD5."""

    def __init__(self, etag: str) -> None:
        self._etag = etag
        self._hash = hashlib.md5(usedforsecurity=False)

    def update(self, content: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(content)

    def mismatch(self) -> str | None:
        """Return how the bytes differ, or None."""
        actual = self._hash.hexdigest()
        return None if actual == self._etag else f"the MD5 of the bytes is {actual}, not the ETag {self._etag}"


class MultipartVerifier:
    """Verifies by the ETag of a multipart upload with parts of the given sizes."""

    def __init__(self, etag: str, sizes: Sequence[int]) -> None:
        self._etag = etag
        self._sizes = iter(sizes)
        self._left = next(self._sizes, 0)
        self._part = hashlib.md5(usedforsecurity=False)
        self._parts = hashlib.md5(usedforsecurity=False)
        self._count = 0

    def update(self, content: bytes) -> None:
        """Add the next bytes."""
        rest = memoryview(content)
        while len(rest):
            if not self._left:
                self._end_part()
                self._left = next(self._sizes, 0) or len(rest)
            self._part.update(rest[: self._left])
            self._left, rest = self._left - min(self._left, len(rest)), rest[self._left :]

    def mismatch(self) -> str | None:
        """Return how the bytes differ, or None."""
        self._end_part()
        actual = f"{self._parts.hexdigest()}-{self._count}"
        return None if actual == self._etag else f"the parts make the ETag {actual}, not {self._etag}"

    def _end_part(self) -> None:
        self._parts.update(self._part.digest())
        self._count += 1
        self._part = hashlib.md5(usedforsecurity=False)


class ChecksumVerifier:
    """Verifies by a checksum of the whole object."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._crc = 0
        self._hash = None if name == "CRC32" else hashlib.new(name, usedforsecurity=False)

    def update(self, content: bytes) -> None:
        """Add the next bytes."""
        if self._hash is None:
            self._crc = zlib.crc32(content, self._crc)
        else:
            self._hash.update(content)

    def mismatch(self) -> str | None:
        """Return how the bytes differ, or None."""
        digest = self._crc.to_bytes(4, "big") if self._hash is None else self._hash.digest()
        actual = base64.b64encode(digest).decode()
        return None if actual == self._value else f"the {self._name} of the bytes is {actual}, not {self._value}"


def etag_verifier(etag: str, answer: Mapping[str, Any]) -> Md5Verifier | None:
    """Return a verifier by an ETag that is an MD5, None unless S3's answer shows that it is that of the bytes."""
    return Md5Verifier(etag) if _MD5.fullmatch(etag) and _is_made_from_the_bytes(answer) else None


def checksum_verifier(answer: Mapping[str, Any]) -> ChecksumVerifier | None:
    """Return a verifier by the best checksum of the whole object in S3's answer, or None."""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for name in ("SHA256", "SHA1", "CRC32"):
        value = answer.get(f"Checksum{name}", "")
        if value and "-" not in value:
            return ChecksumVerifier(name, value)
    return None


def part_count(etag: str, answer: Mapping[str, Any]) -> int:
    """Return the number of parts in the ETag of a multipart upload; 0 for any other ETag."""
    match = _MULTIPART_ETAG.fullmatch(etag)
    return int(match[1]) if match and _is_made_from_the_bytes(answer) else 0


def equal_part_sizes(size: int, count: int, part: int) -> list[int] | None:
    """Return the sizes of `count` parts of `part` bytes, the last of which may be smaller.

    Return None if such parts do not add up to `size`.
    """
    last = size - (count - 1) * part
    return [part] * (count - 1) + [last] if 0 < last <= part else None


def _is_made_from_the_bytes(answer: Mapping[str, Any]) -> bool:
    return not answer.get("ServerSideEncryption", "").startswith("aws:kms") and "SSECustomerAlgorithm" not in answer
