"""The store against a real S3: what is listed, pinned and written once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import PinnedObject, dataset_digest, manifest_line
from modelops.store.client import S3Client, make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.fetching import fetch_pinned
from modelops.store.listing import ListingSummary, TooManyObjects, list_current, probe
from modelops.store.pages import in_seconds
from modelops.store.writing import put_if_absent
from support import s3_server
from support.s3_server import Seaweed

VERSIONED_OR_NOT = pytest.mark.parametrize("versioned", [True, False])
NewBucket = Callable[..., str]


def probe_all(client: S3Client, bucket: str, prefix: str = "", *, max_objects: int = 10_000) -> ListingSummary:
    """Probe a place that has no more than `max_objects` entries."""
    summary = probe(client, S3Place(bucket=bucket, prefix=prefix), max_objects)
    assert isinstance(summary, ListingSummary)
    return summary


@VERSIONED_OR_NOT
def test_a_listing_has_only_current_objects(client: S3Client, new_bucket: NewBucket, versioned: bool) -> None:
    """Old versions, deleted objects, "directories" and other prefixes are not part of a Dataset."""
    bucket = new_bucket(versioned=versioned)
    for key, body in (("p/a", b"1"), ("p/a", b"22"), ("p/b", b"1"), ("p/", b""), ("q/a", b"1"), ("p/empty", b"")):
        client.put_object(Bucket=bucket, Key=key, Body=body)
    client.delete_object(Bucket=bucket, Key="p/b")
    listing = list_current(client, bucket, "p/")
    objects = list(listing.objects)
    assert listing.versioned is versioned
    assert [(pinned.key, pinned.size) for pinned in objects] == [("p/a", 2), ("p/empty", 0)]
    assert all((pinned.version_id != "null") == versioned for pinned in objects)


def test_a_bucket_with_suspended_versioning_is_not_versioned(client: S3Client, new_bucket: NewBucket) -> None:
    """Such a bucket overwrites objects again, so its data is not reproducible."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    client.put_object(Bucket=bucket, Key="b", Body=b"1")
    listing = list_current(client, bucket, "")
    assert not listing.versioned
    assert [pinned.version_id == "null" for pinned in listing.objects] == [False, True]


@VERSIONED_OR_NOT
def test_a_prefix_of_several_pages_is_listed_whole(client: S3Client, new_bucket: NewBucket, versioned: bool) -> None:
    """The probe's digest is that of the manifest."""
    bucket = new_bucket(versioned=versioned)
    keys = [f"p/{number:04}" for number in range(1001)] + ["p/ü +&%20.csv", "p/a-b", "p/a/b", "p/a.b"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=b"1"), keys))
    objects = list(list_current(client, bucket, "p/").objects)
    assert sorted(pinned.key for pinned in objects) == sorted(keys)
    summary = probe_all(client, bucket, "p/")
    newest = in_seconds(max(entry["LastModified"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]))
    digest = dataset_digest(manifest_line(*pinned) for pinned in objects)
    assert summary[:4] == (digest, len(keys), len(keys), versioned)
    assert summary.newest is not None
    assert newest is not None
    assert summary.newest >= newest


def test_the_digest_does_not_depend_on_the_order_of_the_service(client: S3Client, new_bucket: NewBucket) -> None:
    """SeaweedFS lists directory by directory."""
    bucket = new_bucket(versioned=False)
    for key in ("a/1", "a-b", "a.b", "a0"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    listed = list(list_current(client, bucket, "").objects)
    assert listed != sorted(listed), "this version lists in S3's order: the test needs another service"
    assert probe_all(client, bucket).digest == dataset_digest(manifest_line(*pinned) for pinned in listed)


@VERSIONED_OR_NOT
@pytest.mark.parametrize(
    ("max_objects", "expected", "listings"),
    [
        pytest.param(0, TooManyObjects(0), 0, id="with maxObjects zero the source is not listed"),
        pytest.param(999, TooManyObjects(1000), 1, id="maxObjects is rounded up to a page"),
        pytest.param(1000, TooManyObjects(1000), 1, id="after a page of maxObjects the next page is not listed"),
    ],
)
def test_a_probe_lists_no_more_than_max_objects(
    client: S3Client,
    new_bucket: NewBucket,
    versioned: bool,
    max_objects: int,
    expected: TooManyObjects,
    listings: int,
) -> None:
    """However large a bucket becomes, the operator's probes stay as cheap as its owner wants them."""
    bucket = new_bucket(versioned=versioned)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.put_object(Bucket=bucket, Key=f"{number:04}", Body=b"1"), range(1001)))
    requests: list[str] = []
    client.meta.events.register("before-call.s3", lambda model, **_: requests.append(model.name))
    assert probe(client, S3Place(bucket=bucket), max_objects) == expected
    assert sum(name.startswith("ListObject") for name in requests) == listings
    assert probe_all(client, bucket, max_objects=1001).objects == 1001


def test_old_versions_count_towards_max_objects(client: S3Client, new_bucket: NewBucket) -> None:
    """An object with many versions costs as much to list as many objects."""
    bucket = new_bucket()
    for _ in range(12):
        client.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert probe(client, S3Place(bucket=bucket), 10) == TooManyObjects(1)
    assert probe_all(client, bucket, max_objects=12).objects == 1


def test_a_pinned_version_outlives_an_overwrite(client: S3Client, new_bucket: NewBucket, tmp_path: Path) -> None:
    """A pinned object can be fetched byte for byte after it was overwritten and deleted, until its version is."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"first")
    (pinned,) = list_current(client, bucket, "a").objects
    client.put_object(Bucket=bucket, Key="a", Body=b"other")
    client.delete_object(Bucket=bucket, Key="a")
    fetch_pinned(client, bucket, pinned, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"
    client.delete_object(Bucket=bucket, Key="a", VersionId=pinned.version_id)
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, pinned, tmp_path / "b")
    assert caught.value.reason == "PinnedVersionMissing"
    assert not (tmp_path / "b").exists()


def test_an_overwrite_in_an_unversioned_bucket_is_noticed(
    client: S3Client, new_bucket: NewBucket, tmp_path: Path
) -> None:
    """Other bytes of the same size never pass for the snapshot's."""
    bucket = new_bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="a", Body=b"first")
    (pinned,) = list_current(client, bucket, "").objects
    client.put_object(Bucket=bucket, Key="a", Body=b"other")
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, pinned, tmp_path / "a")
    assert caught.value.reason == "PinnedVersionMissing"


def test_a_snapshot_from_before_versioning_stays_readable(
    client: S3Client, new_bucket: NewBucket, tmp_path: Path
) -> None:
    """Also if the object is overwritten after versioning was enabled."""
    bucket = new_bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="a", Body=b"first")
    (pinned,) = list_current(client, bucket, "").objects
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="a", Body=b"other")
    fetch_pinned(client, bucket, pinned, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"


@VERSIONED_OR_NOT
def test_objects_in_one_part_and_in_several_are_fetched(
    client: S3Client, new_bucket: NewBucket, tmp_path: Path, versioned: bool
) -> None:
    """The ETag of an object that was uploaded in parts is not an MD5."""
    bucket = new_bucket(versioned=versioned)
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (1 << 20))
    assert put_if_absent(client, bucket, "large", tmp_path / "large", part_bytes=6 << 20)
    client.put_object(Bucket=bucket, Key="one", Body=(tmp_path / "large").read_bytes())
    for pinned in list(list_current(client, bucket, "").objects):
        fetch_pinned(client, bucket, pinned, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda pinned: pinned._replace(size=4), id="an object of another size is refused"),
        pytest.param(lambda pinned: pinned._replace(etag="0" * 32), id="an object of another content is refused"),
    ],
)
def test_an_object_that_is_not_the_pinned_one(
    client: S3Client, new_bucket: NewBucket, tmp_path: Path, alter: Callable[[PinnedObject], PinnedObject]
) -> None:
    """No such object reaches a trainer."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"12345")
    (pinned,) = list_current(client, bucket, "").objects
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, alter(pinned), tmp_path / "a")
    assert caught.value.reason == "ObjectMismatch"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "part_bytes", [pytest.param(64 << 20, id="in one request"), pytest.param(5 << 20, id="in parts")]
)
@VERSIONED_OR_NOT
def test_a_written_object_is_never_replaced(
    client: S3Client, new_bucket: NewBucket, tmp_path: Path, versioned: bool, part_bytes: int
) -> None:
    """A refused upload leaves no parts behind."""
    bucket = new_bucket(versioned=versioned)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * (11 << 20))
    second.write_bytes(b"2" * (11 << 20))
    assert put_if_absent(client, bucket, "k", first, part_bytes=part_bytes)
    assert not put_if_absent(client, bucket, "k", second, part_bytes=part_bytes)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read(3) == b"111"
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_an_object_is_written_in_parts_where_s3_hides_whether_it_exists(
    s3: Seaweed, client: S3Client, new_bucket: NewBucket
) -> None:
    """AWS answers 403 in place of 404 to credentials that may list some prefixes only. The completion decides."""

    def refuse(model: Any, **_: object) -> None:
        raise ClientError({"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, model.name)

    bucket, part_bytes = new_bucket(), 5 << 20
    limited = make_client(S3Place(bucket="-", endpoint=s3.endpoint), ALL_RIGHTS)
    limited.meta.events.register("before-call.s3.HeadObject", refuse)
    assert put_if_absent(limited, bucket, "k", b"1" * (6 << 20), part_bytes=part_bytes)
    assert not put_if_absent(limited, bucket, "k", b"2" * (6 << 20), part_bytes=part_bytes)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read(3) == b"111"


def test_of_many_writers_at_the_same_time_exactly_one_writes(client: S3Client, new_bucket: NewBucket) -> None:
    bucket = new_bucket()
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda number: put_if_absent(client, bucket, "k", b"%d" % number), range(16)))
    assert written.count(True) == 1
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % written.index(True)


ALL_RIGHTS = Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)


@pytest.mark.parametrize(
    ("bucket", "credentials", "reason"),
    [
        pytest.param("no-such-bucket", ALL_RIGHTS, "NoSuchBucket", id="a bucket that does not exist"),
        pytest.param(
            None,
            Credentials(s3_server.READER_KEY, s3_server.READER_SECRET),
            "AccessDenied",
            id="credentials without the right to list",
        ),
        pytest.param(None, Credentials("nobody", "nothing"), "InvalidCredentials", id="an unknown access key"),
        pytest.param(None, Credentials(s3_server.ACCESS_KEY, "wrong"), "InvalidCredentials", id="a wrong secret key"),
    ],
)
def test_a_mistake_in_bucket_or_credentials_has_a_reason(
    s3: Seaweed, new_bucket: NewBucket, bucket: str | None, credentials: Credentials, reason: str
) -> None:
    """The message names bucket and endpoint, and a retry is not worth it."""
    place = S3Place(bucket=bucket or new_bucket(), endpoint=s3.endpoint)
    with pytest.raises(S3Error) as caught:
        probe(make_client(place, credentials), place, 10_000)
    assert caught.value.reason == reason
    assert not caught.value.transient
    assert f'bucket "{place.bucket}" at {s3.endpoint}' in caught.value.message


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("http://127.0.0.1:9", id="a port that nothing listens on"),
        pytest.param("http://no-such-host.invalid:8333", id="a host name that does not resolve"),
    ],
)
def test_an_unreachable_endpoint_is_transient_and_named(endpoint: str) -> None:
    place = S3Place(bucket="any", endpoint=endpoint)
    with pytest.raises(S3Error) as caught:
        probe(make_client(place, Credentials("a", "b"), attempts=1), place, 10_000)
    assert caught.value.reason == "EndpointUnreachable"
    assert caught.value.transient
    assert endpoint in caught.value.message


def test_the_same_bytes_uploaded_again_have_another_digest(client: S3Client, new_bucket: NewBucket) -> None:
    """The digest names versions. It is an opaque token."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    before = probe_all(client, bucket)
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert probe_all(client, bucket).digest != before.digest
    assert isinstance(next(list_current(client, bucket, "").objects), PinnedObject)
