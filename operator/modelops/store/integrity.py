"""Whether bytes are those that S3 says an object has: by its ETag where that is made of them, else by a checksum. Pure.

- The ETag of an object that was put as a whole is the MD5 of its bytes.
- That of one uploaded in parts is the MD5 of the parts' MD5s, a hyphen and the number of parts.
- Neither holds for an object encrypted with a key of KMS or of a customer: its ETag is of other bytes.
- A checksum of the whole object may come beside: CRC-32, SHA-1 and SHA-256 can be computed here. CRC-32C and
  CRC-64/NVME need a library in C that the SDK offers as an extra, which the image does not carry.

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
_OF_PARTS = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")


class Verifier(Protocol):
    """Takes in an object's bytes in order, and says in the end what is wrong with them."""

    def update(self, content: bytes) -> None:
        """Take in the next bytes."""

    def mismatch(self) -> str | None:
        """How the bytes differ from what S3 says, in words; None: they do not."""


class Md5Verifier:
    """By an ETag that is an MD5."""

    def __init__(self, etag: str) -> None:
        self._etag = etag
        self._hash = hashlib.md5(usedforsecurity=False)

    def update(self, content: bytes) -> None:
        """Take in the next bytes."""
        self._hash.update(content)

    def mismatch(self) -> str | None:
        """How the bytes differ."""
        found = self._hash.hexdigest()
        return None if found == self._etag else f"its MD5 is {found}, its ETag says {self._etag}"


class MultipartVerifier:
    """By the ETag of an object uploaded in parts of the given sizes."""

    def __init__(self, etag: str, sizes: Sequence[int]) -> None:
        self._etag = etag
        self._sizes = iter(sizes)
        self._left = next(self._sizes, 0)
        self._part = hashlib.md5(usedforsecurity=False)
        self._parts = hashlib.md5(usedforsecurity=False)
        self._count = 0

    def update(self, content: bytes) -> None:
        """Take in the next bytes."""
        rest = memoryview(content)
        while len(rest):
            if not self._left:
                self._end_part()
                self._left = next(self._sizes, 0) or len(rest)
            self._part.update(rest[: self._left])
            self._left, rest = self._left - min(self._left, len(rest)), rest[self._left :]

    def mismatch(self) -> str | None:
        """How the bytes differ."""
        self._end_part()
        found = f"{self._parts.hexdigest()}-{self._count}"
        return None if found == self._etag else f"its parts make the ETag {found}, not {self._etag}"

    def _end_part(self) -> None:
        self._parts.update(self._part.digest())
        self._count += 1
        self._part = hashlib.md5(usedforsecurity=False)


class ChecksumVerifier:
    """By a checksum of the whole object."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        self._crc = 0
        self._hash = None if name == "CRC32" else hashlib.new(name, usedforsecurity=False)

    def update(self, content: bytes) -> None:
        """Take in the next bytes."""
        if self._hash is None:
            self._crc = zlib.crc32(content, self._crc)
        else:
            self._hash.update(content)

    def mismatch(self) -> str | None:
        """How the bytes differ."""
        digest = self._crc.to_bytes(4, "big") if self._hash is None else self._hash.digest()
        found = base64.b64encode(digest).decode()
        return None if found == self._value else f"its {self._name} is {found}, S3 says {self._value}"


def etag_verifier(etag: str, answer: Mapping[str, Any]) -> Md5Verifier | None:
    """The proof by an ETag that is an MD5, where S3's answer does not say that it only looks like one."""
    return Md5Verifier(etag) if _MD5.fullmatch(etag) and _is_of_the_bytes(answer) else None


def checksum_verifier(answer: Mapping[str, Any]) -> ChecksumVerifier | None:
    """The proof by the best checksum that came with S3's answer and is one of the whole object."""
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for name in ("SHA256", "SHA1", "CRC32"):
        value = answer.get(f"Checksum{name}", "")
        if value and "-" not in value:
            return ChecksumVerifier(name, value)
    return None


def part_count(etag: str, answer: Mapping[str, Any]) -> int:
    """How many parts an ETag says that an object was uploaded in; 0 where it says nothing of that."""
    match = _OF_PARTS.fullmatch(etag)
    return int(match[1]) if match and _is_of_the_bytes(answer) else 0


def equal_part_sizes(size: int, count: int, part: int) -> list[int] | None:
    """The sizes of `count` parts that are all of `part` bytes, but for a last one that may be smaller."""
    last = size - (count - 1) * part
    return [part] * (count - 1) + [last] if 0 < last <= part else None


def _is_of_the_bytes(answer: Mapping[str, Any]) -> bool:
    return not answer.get("ServerSideEncryption", "").startswith("aws:kms") and "SSECustomerAlgorithm" not in answer
