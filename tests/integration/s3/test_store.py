"""The store against a real S3: what is listed, pinned and written once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import PinnedObject, dataset_digest, manifest_line
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.fetching import fetch_pinned
from modelops.store.listing import TooManyObjects, list_current, probe
from modelops.store.pages import in_seconds
from modelops.store.writing import put_if_absent
from support import s3_server


@pytest.mark.parametrize("versioned", [True, False])
def test_listing_shows_what_is_current(client, new_bucket, versioned):
    """Old versions, deleted objects, "directories" and other prefixes are not part of a Dataset."""
    bucket = new_bucket(versioned=versioned)
    for key, body in (("p/a", b"1"), ("p/a", b"22"), ("p/b", b"1"), ("p/", b""), ("q/a", b"1"), ("p/empty", b"")):
        client.put_object(Bucket=bucket, Key=key, Body=body)
    client.delete_object(Bucket=bucket, Key="p/b")
    found = list_current(client, bucket, "p/")
    objects = list(found.objects)
    assert found.versioned is versioned
    assert [(one.key, one.size) for one in objects] == [("p/a", 2), ("p/empty", 0)]
    assert all((one.version_id != "null") == versioned for one in objects)


def test_suspended_versioning_is_not_reproducible(client, new_bucket):
    """A bucket whose versioning was turned off overwrites again, and says so."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    client.put_object(Bucket=bucket, Key="b", Body=b"1")
    found = list_current(client, bucket, "")
    assert not found.versioned
    assert [one.version_id == "null" for one in found.objects] == [False, True]


@pytest.mark.parametrize("versioned", [True, False])
def test_pages(client, new_bucket, versioned):
    """A prefix with more objects than a page is listed whole, and the probe's digest is the manifest's."""
    bucket = new_bucket(versioned=versioned)
    keys = [f"p/{number:04}" for number in range(1001)] + ["p/ü +&%20.csv", "p/a-b", "p/a/b", "p/a.b"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=b"1"), keys))
    objects = list(list_current(client, bucket, "p/").objects)
    assert sorted(one.key for one in objects) == sorted(keys)
    seen = probe(client, S3Place(bucket=bucket, prefix="p/"), 10_000)
    newest = in_seconds(max(one["LastModified"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]))
    assert seen[:4] == (dataset_digest(manifest_line(*one) for one in objects), len(keys), len(keys), versioned)
    assert seen.newest >= newest


def test_a_service_that_lists_in_another_order(client, new_bucket):
    """The digest does not depend on the order in which a service lists: SeaweedFS goes through directories."""
    bucket = new_bucket(versioned=False)
    for key in ("a/1", "a-b", "a.b", "a0"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    listed = list(list_current(client, bucket, "").objects)
    assert listed != sorted(listed), "it lists in S3's order by now: this test needs another service"
    seen = probe(client, S3Place(bucket=bucket), 10_000)
    assert seen.digest == dataset_digest(manifest_line(*one) for one in listed)


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize(
    ("max_objects", "expected"), [(0, TooManyObjects(0)), (999, TooManyObjects(1000)), (1000, TooManyObjects(1000))]
)
def test_a_probe_costs_no_more_than_it_may(client, new_bucket, versioned, max_objects, expected):
    """However large a bucket becomes, the operator's looks at it stay as cheap as their owner wants them."""
    bucket = new_bucket(versioned=versioned)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.put_object(Bucket=bucket, Key=f"{number:04}", Body=b"1"), range(1001)))
    asked = []
    client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    assert probe(client, S3Place(bucket=bucket), max_objects) == expected
    assert sum(name.startswith("ListObject") for name in asked) == (1 if max_objects else 0)
    assert probe(client, S3Place(bucket=bucket), 1001).objects == 1001


def test_old_versions_count_as_cost(client, new_bucket):
    """One object with a long past is as much to list as many objects, and a Job's work as well."""
    bucket = new_bucket()
    for _ in range(12):
        client.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert probe(client, S3Place(bucket=bucket), 10) == TooManyObjects(1)
    assert probe(client, S3Place(bucket=bucket), 12).objects == 1


def test_a_pinned_version_outlives_an_overwrite(client, new_bucket, tmp_path):
    """What a snapshot pinned can be fetched after it was overwritten and deleted, byte for byte."""
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


def test_an_overwrite_without_versions_is_noticed(client, new_bucket, tmp_path):
    """In an unversioned bucket, other bytes of the same size never pass for those of the snapshot."""
    bucket = new_bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="a", Body=b"first")
    (pinned,) = list_current(client, bucket, "").objects
    client.put_object(Bucket=bucket, Key="a", Body=b"other")
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, pinned, tmp_path / "a")
    assert caught.value.reason == "PinnedVersionMissing"


def test_versioning_turned_on_later(client, new_bucket, tmp_path):
    """A snapshot from before versioning stays readable when the object is overwritten after it was turned on."""
    bucket = new_bucket(versioned=False)
    client.put_object(Bucket=bucket, Key="a", Body=b"first")
    (pinned,) = list_current(client, bucket, "").objects
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="a", Body=b"other")
    fetch_pinned(client, bucket, pinned, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"


@pytest.mark.parametrize("versioned", [True, False])
def test_large_objects_can_be_fetched(client, new_bucket, tmp_path, versioned):
    """Objects uploaded in parts, whose ETag is no MD5, are fetched and checked by size and token."""
    bucket = new_bucket(versioned=versioned)
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (1 << 20))
    assert put_if_absent(client, bucket, "large", tmp_path / "large", part_bytes=6 << 20)
    client.put_object(Bucket=bucket, Key="one", Body=(tmp_path / "large").read_bytes())
    for pinned in list(list_current(client, bucket, "").objects):
        fetch_pinned(client, bucket, pinned, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "large").read_bytes()


@pytest.mark.parametrize(("size", "etag"), [(4, None), (None, "0" * 32)])
def test_other_bytes_are_refused(client, new_bucket, tmp_path, size, etag):
    """An object that is not what its manifest says reaches no trainer."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"12345")
    (pinned,) = list_current(client, bucket, "").objects
    wrong = pinned._replace(size=size or pinned.size, etag=etag or pinned.etag)
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, wrong, tmp_path / "a")
    assert caught.value.reason == "ObjectMismatch"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("part_bytes", [64 << 20, 5 << 20])
@pytest.mark.parametrize("versioned", [True, False])
def test_put_once(client, new_bucket, tmp_path, versioned, part_bytes):
    """What is written once is never replaced, not by parts either, and leaves no half upload behind."""
    bucket = new_bucket(versioned=versioned)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * (11 << 20))
    second.write_bytes(b"2" * (11 << 20))
    assert put_if_absent(client, bucket, "k", first, part_bytes=part_bytes)
    assert not put_if_absent(client, bucket, "k", second, part_bytes=part_bytes)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read(3) == b"111"
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_one_of_many_writers_wins(client, new_bucket):
    """Of writers at the same instant exactly one writes."""
    bucket = new_bucket()
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda number: put_if_absent(client, bucket, "k", b"%d" % number), range(16)))
    assert written.count(True) == 1
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % written.index(True)


@pytest.mark.parametrize(
    ("bucket", "credentials", "reason"),
    [
        ("no-such-bucket", Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY), "NoSuchBucket"),
        (None, Credentials(s3_server.READER_KEY, s3_server.READER_SECRET), "AccessDenied"),
        (None, Credentials("nobody", "nothing"), "InvalidCredentials"),
        (None, Credentials(s3_server.ACCESS_KEY, "wrong"), "InvalidCredentials"),
    ],
)
def test_what_a_person_must_mend(s3, new_bucket, bucket, credentials, reason):
    """Each mistake has its reason, names bucket and endpoint, and is not retried."""
    place = S3Place(bucket=bucket or new_bucket(), endpoint=s3.endpoint)
    with pytest.raises(S3Error) as caught:
        probe(make_client(place, credentials), place, 10_000)
    assert caught.value.reason == reason
    assert not caught.value.transient
    assert f'bucket "{place.bucket}" at {s3.endpoint}' in caught.value.message


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid:8333"])
def test_an_endpoint_that_is_not_there(endpoint):
    """A dead endpoint is transient, and named."""
    place = S3Place(bucket="any", endpoint=endpoint)
    with pytest.raises(S3Error) as caught:
        probe(make_client(place, Credentials("a", "b"), attempts=1), place, 10_000)
    assert caught.value.reason == "EndpointUnreachable"
    assert caught.value.transient
    assert endpoint in caught.value.message


def test_a_digest_names_versions(client, new_bucket):
    """The same bytes uploaded again are a new version, and a new digest: the token is opaque."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    before = probe(client, S3Place(bucket=bucket), 10_000)
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert probe(client, S3Place(bucket=bucket), 10_000).digest != before.digest
    assert isinstance(next(list_current(client, bucket, "").objects), PinnedObject)
