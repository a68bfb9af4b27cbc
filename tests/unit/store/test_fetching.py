"""Downloads: no object fills the disk beyond what its reader expects, whatever the service sends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import PinnedObject
from modelops.store.client import S3Client, make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import Reason, S3Error
from modelops.store.fetching import ObjectTooLargeError, fetch, fetch_pinned
from support import rude_s3
from support.rude_s3 import RudeServer

MIB = 1 << 20


def client_of(server: RudeServer) -> S3Client:
    """Return a client that asks once."""
    place = S3Place(bucket="data", endpoint=server.endpoint)
    return make_client(place, Credentials("a", "b"), attempts=1)


@pytest.fixture
def endless() -> Iterator[RudeServer]:
    """Service whose objects have no end, and no length that is told."""
    with rude_s3.rude_s3(rude_s3.endless_object) as server:
        yield server


@pytest.mark.parametrize("max_bytes", [0, 1, 3 * MIB, 3 * MIB + 1])
def test_an_object_of_unknown_length_is_written_up_to_the_limit_alone(
    endless: RudeServer, tmp_path: Path, max_bytes: int
) -> None:
    with pytest.raises(ObjectTooLargeError, match=f'object "k" has more than {max_bytes} bytes'):
        fetch(client_of(endless), "data", "k", tmp_path / "file", max_bytes=max_bytes)
    assert (tmp_path / "file").stat().st_size <= max_bytes


def test_of_an_object_that_says_how_large_it_is_nothing_is_written(tmp_path: Path) -> None:
    """What is too large is not downloaded up to the limit first."""
    with rude_s3.rude_s3(rude_s3.says(b"200 OK", b"four")) as server:
        with pytest.raises(ObjectTooLargeError):
            fetch(client_of(server), "data", "k", tmp_path / "file", max_bytes=3)
        assert not (tmp_path / "file").stat().st_size
        fetch(client_of(server), "data", "k", tmp_path / "file", max_bytes=4)
    assert (tmp_path / "file").read_bytes() == b"four"


def test_a_pinned_object_is_read_no_further_than_its_size(endless: RudeServer, tmp_path: Path) -> None:
    """A Dataset's source belongs to somebody else, and could send objects without an end."""
    pinned = PinnedObject("k", "null", 5, "e")
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client_of(endless), "data", pinned, tmp_path / "file")
    assert caught.value.reason is Reason.OBJECT_MISMATCH
    assert not (tmp_path / "file").exists()
    assert endless.sent < 100 * MIB
