"""What S3 says of an object's bytes is computed again from them: other bytes never pass, the right ones always do."""

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.store.integrity import (
    Md5Verifier,
    MultipartVerifier,
    checksum_verifier,
    equal_part_sizes,
    etag_verifier,
    part_count,
)

CONTENT = b"some bytes of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()


def etag_of(parts: list[bytes]) -> str:
    return hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest() + f"-{len(parts)}"


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6), st.integers(1, 9), st.data())
def test_parts(parts, step, data):
    """The ETag of an upload in parts is computed again, in whatever pieces the bytes come, and other bytes are told."""
    content, sizes = b"".join(parts), [len(part) for part in parts]
    place = data.draw(st.integers(0, len(content) - 1))
    changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    for given_bytes, right in ((content, True), (changed, False), (content + b"x", False), (content[:-1], False)):
        proof = MultipartVerifier(etag_of(parts), sizes)
        for start in range(0, len(given_bytes), step):
            proof.update(given_bytes[start : start + step])
        assert (proof.mismatch() is None) == right


@given(st.integers(1, 100), st.integers(1, 20))
def test_even_parts(size, part):
    """Parts of one size add up to the object, and a count that they do not make is refused."""
    count = -(-size // part)
    sizes = equal_part_sizes(size, count, part)
    assert sizes is not None
    assert (sum(sizes), len(sizes), set(sizes[:-1]) <= {part}) == (size, count, True)
    assert equal_part_sizes(size, count + 1, part) is None


@pytest.mark.parametrize(
    ("answer", "proves"),
    [
        ({}, True),
        ({"ServerSideEncryption": "AES256"}, True),
        ({"ServerSideEncryption": "aws:kms"}, False),
        ({"ServerSideEncryption": "aws:kms:dsse"}, False),
        ({"SSECustomerAlgorithm": "AES256"}, False),
    ],
    ids=lambda value: value.get("ServerSideEncryption", str(value)) if isinstance(value, dict) else None,
)
def test_an_etag_proves_nothing_under_a_key_of_kms(answer, proves):
    """Encryption leaves ETags that look like an MD5 and are none: they must not make a good object a bad one."""
    assert isinstance(etag_verifier(MD5, answer), Md5Verifier) == proves
    assert bool(part_count(f"{MD5}-2", answer)) == proves


@pytest.mark.parametrize("etag", ["", "abc", MD5.upper(), f"{MD5}-0", f"{MD5}-x", "AAAA-2"])
def test_opaque_etags_prove_nothing(etag):
    """An ETag may be anything: only what can only be an MD5 is taken for one."""
    assert etag_verifier(etag, {}) is None
    assert part_count(etag, {}) == 0


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"ChecksumCRC32": base64_of(zlib.crc32(CONTENT).to_bytes(4, "big"))}, "CRC32"),
        ({"ChecksumSHA1": base64_of(hashlib.sha1(CONTENT).digest())}, "SHA1"),
        ({"ChecksumSHA256": base64_of(hashlib.sha256(CONTENT).digest()), "ChecksumType": "FULL_OBJECT"}, "SHA256"),
        ({"ChecksumSHA256": "abc=-2"}, None),
        ({"ChecksumCRC32": "abc=", "ChecksumType": "COMPOSITE"}, None),
        ({"ChecksumCRC64NVME": "abc="}, None),
        ({}, None),
    ],
)
def test_checksums(answer, name):
    """A checksum of the whole object tells other bytes; one of its parts is no checksum of the whole."""
    proof = checksum_verifier(answer)
    assert (proof is not None) == (name is not None)
    if name is None:
        return
    proof.update(CONTENT[:5])
    proof.update(CONTENT[5:])
    assert proof.mismatch() is None
    other = checksum_verifier(answer)
    other.update(CONTENT[:-1])
    assert name in other.mismatch()


def test_md5():
    """A single changed bit is told, with both sums."""
    proof = Md5Verifier(MD5)
    proof.update(CONTENT)
    assert proof.mismatch() is None
    proof.update(b"\0")
    assert MD5 in proof.mismatch()
