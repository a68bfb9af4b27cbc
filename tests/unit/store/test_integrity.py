"""ETags and checksums are computed again from an object's bytes: other bytes never pass, the right ones always do."""

import base64
import hashlib
import zlib
from typing import Any

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


def multipart_etag(parts: list[bytes]) -> str:
    return hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest() + f"-{len(parts)}"


def encode(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6), st.integers(1, 9), st.data())
def test_the_etag_of_a_multipart_upload_verifies_its_bytes(parts: list[bytes], step: int, data: st.DataObject) -> None:
    """However the bytes are cut while they arrive, the right bytes pass, and other bytes do not."""
    content, sizes = b"".join(parts), [len(part) for part in parts]
    position = data.draw(st.integers(0, len(content) - 1))
    changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    for received, right in ((content, True), (changed, False), (content + b"x", False), (content[:-1], False)):
        verifier = MultipartVerifier(multipart_etag(parts), sizes)
        for start in range(0, len(received), step):
            verifier.update(received[start : start + step])
        assert (verifier.mismatch() is None) == right


@given(size=st.integers(1, 100), part=st.integers(1, 20))
def test_equal_parts_add_up_to_the_object(size: int, part: int) -> None:
    """Parts of equal size add up to the object, and a number of parts that does not fit is refused."""
    count = -(-size // part)
    sizes = equal_part_sizes(size, count, part)
    assert sizes is not None
    assert sum(sizes) == size
    assert len(sizes) == count
    assert set(sizes[:-1]) <= {part}
    assert equal_part_sizes(size, count + 1, part) is None


@pytest.mark.parametrize(
    ("answer", "made_from_the_bytes"),
    [
        pytest.param({}, True, id="no encryption"),
        pytest.param({"ServerSideEncryption": "AES256"}, True, id="encryption with the service's keys"),
        pytest.param({"ServerSideEncryption": "aws:kms"}, False, id="encryption with a key of KMS"),
        pytest.param({"ServerSideEncryption": "aws:kms:dsse"}, False, id="double encryption with a key of KMS"),
        pytest.param({"SSECustomerAlgorithm": "AES256"}, False, id="encryption with a customer's key"),
    ],
)
def test_the_etag_of_an_object_encrypted_with_other_keys_is_not_used(
    answer: dict[str, str], made_from_the_bytes: bool
) -> None:
    """Encryption leaves ETags that look like an MD5 but are not: these must not make a good object a bad one."""
    assert isinstance(etag_verifier(MD5, answer), Md5Verifier) == made_from_the_bytes
    assert bool(part_count(f"{MD5}-2", answer)) == made_from_the_bytes


@pytest.mark.parametrize("etag", ["", "abc", MD5.upper(), f"{MD5}-0", f"{MD5}-x", "AAAA-2"])
def test_an_opaque_etag_is_not_used(etag: str) -> None:
    """An ETag may be any text: only text that must be an MD5 is used as one."""
    assert etag_verifier(etag, {}) is None
    assert part_count(etag, {}) == 0


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        pytest.param({"ChecksumCRC32": encode(zlib.crc32(CONTENT).to_bytes(4, "big"))}, "CRC32", id="CRC-32"),
        pytest.param({"ChecksumSHA1": encode(hashlib.sha1(CONTENT).digest())}, "SHA1", id="SHA-1"),
        pytest.param(
            {"ChecksumSHA256": encode(hashlib.sha256(CONTENT).digest()), "ChecksumType": "FULL_OBJECT"},
            "SHA256",
            id="SHA-256",
        ),
    ],
)
def test_a_checksum_of_the_whole_object_verifies_its_bytes(answer: dict[str, Any], name: str) -> None:
    """A download of other bytes fails, and the message names the checksum."""
    verifier = checksum_verifier(answer)
    assert verifier is not None
    verifier.update(CONTENT[:5])
    verifier.update(CONTENT[5:])
    assert verifier.mismatch() is None
    other = checksum_verifier(answer)
    assert other is not None
    other.update(CONTENT[:-1])
    assert f"the {name} of the bytes is " in str(other.mismatch())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"ChecksumSHA256": "abc=-2"}, id="a checksum of parts by its suffix"),
        pytest.param({"ChecksumCRC32": "abc=", "ChecksumType": "COMPOSITE"}, id="a checksum of parts by its type"),
        pytest.param({"ChecksumCRC64NVME": "abc="}, id="an algorithm that cannot be computed here"),
        pytest.param({}, id="no checksum"),
    ],
)
def test_any_other_checksum_is_not_used(answer: dict[str, Any]) -> None:
    """A checksum of the parts, or one that cannot be computed, must not make a good object a bad one."""
    assert checksum_verifier(answer) is None


def test_a_single_changed_bit_is_found_by_the_md5() -> None:
    """The message has both sums, so that a person can compare them."""
    verifier = Md5Verifier(MD5)
    verifier.update(CONTENT)
    assert verifier.mismatch() is None
    verifier.update(b"\0")
    assert MD5 in str(verifier.mismatch())
