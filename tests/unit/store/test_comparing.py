"""A service that tells no checksum is read back, and no further than the bytes that are expected."""

import itertools
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from modelops.store.comparing import is_stored

CONTENT = b"weights"


class Body:
    """Body of an answer that counts the chunks that are read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.read = 0
        self.closed = False

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += 1
            yield chunk

    def close(self) -> None:
        self.closed = True


class Service:
    """S3 client of a service that says that every object has the expected size."""

    def __init__(self, body: Body, **told: str) -> None:
        self.body = body
        self.told = told

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"ContentLength": len(CONTENT), "ETag": '"e"', **self.told}

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": self.body}


def compare(service: Service) -> bool:
    return is_stored(service, "b", "k", CONTENT, sha256(CONTENT).hexdigest())


@pytest.mark.parametrize(
    ("chunks", "stored"), [([b"wei", b"ghts"], True), ([b"wei", b"GHTS"], False), ([b"weight"], False), ([], False)]
)
def test_an_object_without_a_checksum_is_compared_by_its_bytes(chunks: list[bytes], stored: bool) -> None:
    body = Body(iter(chunks))
    assert compare(Service(body)) == stored
    assert body.closed


def test_a_body_without_end_is_read_no_further_than_the_expected_bytes() -> None:
    """A service that sends more than it says costs neither memory nor time without end."""
    body = Body(itertools.repeat(CONTENT))
    assert not compare(Service(body))
    assert (body.read, body.closed) == (2, True)


def test_a_checksum_that_s3_tells_decides_without_a_read() -> None:
    body = Body(iter([CONTENT]))
    assert not compare(Service(body, ChecksumSHA256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))
    assert body.read == 0
