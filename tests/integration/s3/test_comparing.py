"""Stored bytes against a real S3: which object has the bytes of a file, whatever S3 tells of it."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from modelops.store.client import S3Client
from modelops.store.comparing import is_stored
from modelops.store.errors import S3Error
from modelops.store.writing import put_if_absent, write_once

PART_BYTES = 5 << 20
RIGHT = b"1" * (PART_BYTES + 4)
OF_THE_SAME_SIZE = b"2" * len(RIGHT)


def upload_whole(client: S3Client, name: dict[str, str], body: bytes) -> None:
    client.put_object(**name, Body=body)


def upload_with_sha256(client: S3Client, name: dict[str, str], body: bytes) -> None:
    client.put_object(**name, Body=body, ChecksumAlgorithm="SHA256")


def upload_with_crc32(client: S3Client, name: dict[str, str], body: bytes) -> None:
    client.put_object(**name, Body=body, ChecksumAlgorithm="CRC32")


def upload_as_we_do(client: S3Client, name: dict[str, str], body: bytes) -> None:
    put_if_absent(client, name["Bucket"], name["Key"], body)


def upload_in_parts_as_we_do(client: S3Client, name: dict[str, str], body: bytes) -> None:
    put_if_absent(client, name["Bucket"], name["Key"], body, part_bytes=PART_BYTES)


def upload_in_other_parts(client: S3Client, name: dict[str, str], body: bytes) -> None:
    put_if_absent(client, name["Bucket"], name["Key"], body, part_bytes=PART_BYTES + 1)


UPLOADS = [
    pytest.param(upload_whole, False, id="without a checksum"),
    pytest.param(upload_with_sha256, True, id="with a SHA-256"),
    pytest.param(upload_with_crc32, False, id="with a checksum of another algorithm"),
    pytest.param(upload_as_we_do, True, id="as the worker uploads"),
    pytest.param(upload_in_parts_as_we_do, True, id="in parts as the worker uploads"),
    pytest.param(upload_in_other_parts, False, id="in parts of another size"),
]


class Reads:
    """S3 client that counts the objects that it reads."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self.count = 0

    def get_object(self, **how: Any) -> Any:
        self.count += 1
        return self._client.get_object(**how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.mark.parametrize(("upload", "told"), UPLOADS)
def test_bytes_are_told_from_others_of_the_same_size(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path, upload: Callable[..., None], told: bool
) -> None:
    """The right bytes are taken, others are not; an object is read back only where S3 tells no SHA-256 of it."""
    bucket, file = new_bucket(versioned=False), tmp_path / "file"
    file.write_bytes(RIGHT)
    upload(client, {"Bucket": bucket, "Key": "right"}, RIGHT)
    upload(client, {"Bucket": bucket, "Key": "other"}, OF_THE_SAME_SIZE)
    reads = Reads(client)
    digest = sha256(RIGHT).hexdigest()
    assert is_stored(reads, bucket, "right", file, digest, part_bytes=PART_BYTES)
    assert reads.count == (0 if told else 1)
    assert is_stored(client, bucket, "right", RIGHT, digest, part_bytes=PART_BYTES)
    assert not is_stored(client, bucket, "other", file, digest, part_bytes=PART_BYTES)


def test_a_file_that_has_changed_is_not_taken_for_its_former_bytes(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path
) -> None:
    """An object that has the file's new bytes has not those of the digest."""
    bucket, file = new_bucket(versioned=False), tmp_path / "file"
    file.write_bytes(OF_THE_SAME_SIZE)
    upload_in_parts_as_we_do(client, {"Bucket": bucket, "Key": "new"}, OF_THE_SAME_SIZE)
    assert not is_stored(client, bucket, "new", file, sha256(RIGHT).hexdigest(), part_bytes=PART_BYTES)


@pytest.mark.parametrize("planted", [b"2", b"longer"])
def test_other_bytes_under_the_name_of_a_content_are_an_error(
    client: S3Client, new_bucket: Callable[..., str], planted: bytes
) -> None:
    """A manifest that nobody can use is reported when it is written, and is not overwritten."""
    bucket = new_bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="sha256-x", Body=planted)
    with pytest.raises(S3Error, match="it has other bytes than its name says, and nothing is overwritten; delete it"):
        write_once(client, bucket, "sha256-x", b"1")
    assert client.get_object(Bucket=bucket, Key="sha256-x")["Body"].read() == planted


def test_a_content_is_written_once(client: S3Client, new_bucket: Callable[..., str]) -> None:
    bucket = new_bucket(versioned=False)
    assert write_once(client, bucket, "sha256-x", b"1")
    assert not write_once(client, bucket, "sha256-x", b"1")
