"""Listing and fetching much at once against a real S3: the same as one after the other, whatever ends it on the way."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import dataset_digest, manifest_line
from modelops.store.errors import S3Error
from modelops.store.fetching import LargeObject, fetch_pinned, preallocate
from modelops.store.listing import list_current
from modelops.store.ranges import KeyRanges
from modelops.worker.datasets import pinning
from modelops.worker.datasets.download import Download, download_objects
from modelops.worker.datasets.download_journal import DownloadJournal
from modelops.worker.datasets.pinning import pin

MIB = 1 << 20


def put_all(client, bucket: str, keys: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))


def requests_of(client) -> list[dict]:
    """Every request from now on: its name and parameters."""
    asked: list[dict] = []
    client.meta.events.register(
        "provide-client-params.s3", lambda params, model, **_: asked.append({"name": model.name, **params})
    )
    return asked


@pytest.fixture
def eager(monkeypatch):
    """Ranges are begun at once, and so in tests with few objects."""
    monkeypatch.setattr(pinning, "_HEAD_PAGES", 1)
    monkeypatch.setattr(pinning, "KeyRanges", partial(KeyRanges, pages_per_segment=0))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("versioned", [True, False])
def test_ranges_are_the_whole_listing(client, new_bucket, tmp_path, versioned):
    """A large prefix is listed in ranges at once, and its digest is that of the serial listing."""
    bucket = new_bucket(versioned=versioned)
    put_all(client, bucket, [f"p/{number % 9}/{number:05}" for number in range(2300)] + ["p/0/ü +&%", "q/x"])
    if versioned:
        put_all(client, bucket, ["p/3/00003", "p/8/00008"])
        client.delete_object(Bucket=bucket, Key="p/4/00004")
    serial = list(list_current(client, bucket, "p/").objects)
    asked = requests_of(client)
    listed = pin(client, S3Place(bucket=bucket, prefix="p/"), tmp_path / "manifest")
    assert list(listed.manifest.entries()) == serial
    assert listed.manifest.digest == dataset_digest(manifest_line(*one) for one in serial)
    assert listed.manifest.bytes == sum(one.size for one in serial)
    cuts = {one.get("StartAfter", one.get("KeyMarker", "")) for one in asked}
    assert len([cut for cut in cuts if cut.endswith("/")]) > 2
    assert [file.name for file in tmp_path.iterdir()] == ["manifest"]


@pytest.mark.usefixtures("eager")
def test_a_service_with_another_order(client, new_bucket, tmp_path, caplog):
    """SeaweedFS lists an unversioned bucket by directories, `d/` before `d-x`: nothing is lost or comes twice."""
    bucket = new_bucket(versioned=False)
    keys = [f"{name}/{number:04}" for name in ("a", "b", "c", "d", "d-x", "e") for number in range(300)]
    put_all(client, bucket, keys)
    caplog.set_level("INFO")
    listed = pin(client, S3Place(bucket=bucket), tmp_path / "manifest")
    assert [one.key for one in listed.manifest.entries()] == sorted(keys)
    assert "listed serially" in caplog.text


def multipart(client, bucket: str, key: str, sizes: list[int], **more) -> bytes:
    parts = [os.urandom(size) for size in sizes]
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    name = {"Bucket": bucket, "Key": key, "UploadId": upload}
    done = [
        {"PartNumber": number, "ETag": client.upload_part(**name, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    client.complete_multipart_upload(**name, MultipartUpload={"Parts": done})
    return b"".join(parts)


SSE = {"ServerSideEncryption": "AES256"}


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize(
    ("sizes", "more"),
    [
        ([5 * MIB, 5 * MIB, 11], {}),
        ([5 * MIB, 7 * MIB, 6 * MIB, 1], {}),
        ([12 * MIB], {}),
        ([5 * MIB, 9], SSE),
    ],
    ids=["even parts", "uneven parts", "one part", "encrypted"],
)
def test_parts_are_verified(client, new_bucket, tmp_path, versioned, sizes, more):
    """What was uploaded in parts is verified by its parts' ETag, whole and in ranges; other bytes are refused."""
    bucket = new_bucket(versioned=versioned)
    content = multipart(client, bucket, "k", sizes, **more)
    (pinned,) = list_current(client, bucket, "").objects
    assert pinned.etag.endswith(f"-{len(sizes)}")
    fetch_pinned(client, bucket, pinned, tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == content
    wanted = [Download(pinned, tmp_path / "ranges")]
    assert list(download_objects(client, bucket, wanted, large_bytes=MIB, range_bytes=3 * MIB)) == wanted
    assert (tmp_path / "ranges").read_bytes() == content

    large = LargeObject(client, bucket, pinned)
    preallocate(tmp_path / "torn", pinned.size)
    large.fetch_range(0, pinned.size - 1, tmp_path / "torn")
    with pytest.raises(S3Error) as caught:
        large.verify_range(0, pinned.size, tmp_path / "torn")
    assert caught.value.reason == "ObjectMismatch"


def test_encrypted_objects(client, new_bucket, tmp_path):
    """SSE-S3 is transparent. An object under a customer's key cannot be read, and the service's words say why."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="ours", Body=b"1234", **SSE)
    client.put_object(
        Bucket=bucket, Key="theirs", Body=b"1234", SSECustomerAlgorithm="AES256", SSECustomerKey=os.urandom(32)
    )
    ours, theirs = list_current(client, bucket, "").objects
    fetch_pinned(client, bucket, ours, tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == b"1234"
    with pytest.raises(S3Error, match="Customer provided keys") as caught:
        fetch_pinned(client, bucket, theirs, tmp_path / "theirs")
    assert not caught.value.transient


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums(client, new_bucket, tmp_path, algorithm):
    """An object with a checksum is verified by it, also where its ETag proves nothing."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="k", Body=b"12345678", ChecksumAlgorithm=algorithm)
    (pinned,) = list_current(client, bucket, "").objects
    fetch_pinned(client, bucket, pinned, tmp_path / "k")
    large = LargeObject(client, bucket, pinned._replace(etag="opaque"))
    large.fetch_range(0, 8, (tmp_path / "k"))
    (tmp_path / "k").write_bytes(b"12345679")
    with pytest.raises(S3Error, match=algorithm) as caught:
        large.verify_range(0, 8, tmp_path / "k")
    assert caught.value.reason == "ObjectMismatch"


def test_another_etag_without_a_proof(client, new_bucket, tmp_path):
    """Where nothing proves the bytes, the version and the ETag of the answer must be the pinned ones."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="k", Body=b"12345678")
    (pinned,) = list_current(client, bucket, "").objects
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, pinned._replace(etag="opaque"), tmp_path / "k")
    assert caught.value.reason == "ObjectMismatch"


@pytest.mark.parametrize("versioned", [True, False])
def test_ranges_are_of_one_object(client, new_bucket, tmp_path, versioned):
    """An object that is overwritten or deleted while its ranges are fetched is never put together from two."""
    bucket = new_bucket(versioned=versioned)
    client.put_object(Bucket=bucket, Key="k", Body=b"1" * MIB)
    (pinned,) = list_current(client, bucket, "").objects
    large = LargeObject(client, bucket, pinned)
    preallocate(tmp_path / "k", pinned.size)
    large.fetch_range(0, 1000, tmp_path / "k")
    client.put_object(Bucket=bucket, Key="k", Body=b"2" * MIB)
    if versioned:
        large.fetch_range(1000, MIB - 1000, tmp_path / "k")
        assert (tmp_path / "k").read_bytes() == b"1" * MIB
        client.delete_object(Bucket=bucket, Key="k", VersionId=pinned.version_id)
    with pytest.raises(S3Error) as caught:
        large.fetch_range(1000, 1000, tmp_path / "k")
    assert caught.value.reason == "PinnedVersionMissing"


@pytest.fixture
def mixed(client, new_bucket, tmp_path) -> tuple[str, list[Download], dict[Path, bytes]]:
    """Small objects, an empty one, and two that are fetched in ranges."""
    bucket = new_bucket()
    contents = {f"{number:02}": os.urandom(1000) for number in range(20)} | {"10-empty": b""}
    contents |= {"05-large": os.urandom(3 * MIB), "15-large": os.urandom(2 * MIB + 1)}
    for key, content in contents.items():
        client.put_object(Bucket=bucket, Key=key, Body=content)
    (tmp_path / "data").mkdir()
    wanted = [Download(one, tmp_path / "data" / one.key) for one in list_current(client, bucket, "").objects]
    return bucket, wanted, {tmp_path / "data" / key: content for key, content in contents.items()}


def brought(client, bucket, wanted, file, *, stop_after=None) -> list[Download]:
    done = []
    with DownloadJournal(file, "digest") as journal:
        for one in download_objects(client, bucket, wanted, journal=journal, large_bytes=MIB, range_bytes=MIB // 2):
            done.append(one)
            if len(done) == stop_after:
                break
    return done


@pytest.mark.parametrize("stop_after", [1, 6, 7, 17, 23])
def test_a_fetch_goes_on(client, mixed, tmp_path, stop_after):
    """A fetch that is run again brings what is missing, nothing else, and everything is there and right in the end."""
    bucket, wanted, contents = mixed
    brought(client, bucket, wanted, tmp_path / "journal", stop_after=stop_after)
    asked = requests_of(client)
    assert brought(client, bucket, wanted, tmp_path / "journal") == wanted
    assert {file: file.read_bytes() for file in contents} == contents
    assert not {one["Key"] for one in asked} & {one.pinned.key for one in wanted[:stop_after]}
    asked.clear()
    assert brought(client, bucket, wanted, tmp_path / "journal") == wanted
    assert not asked


def test_a_large_object_goes_on_in_its_middle(client, mixed, tmp_path):
    """Of a large object only the ranges that are missing are brought, and the whole is verified with those before."""
    bucket, wanted, contents = mixed
    brought(client, bucket, wanted, tmp_path / "journal")
    lines = (tmp_path / "journal").read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if b"05-large" in line)
    (tmp_path / "journal").write_bytes(b"".join(lines[: first + 2]))
    asked = requests_of(client)
    brought(client, bucket, wanted, tmp_path / "journal")
    ranges = [one["Range"] for one in asked if one["Key"] == "05-large" and "Range" in one]
    assert sorted(ranges) == sorted(f"bytes={n * MIB // 2}-{(n + 1) * MIB // 2 - 1}" for n in range(2, 6))
    assert {file: file.read_bytes() for file in contents} == contents

    (tmp_path / "journal").write_bytes(b"".join(lines[: first + 2]))
    with (tmp_path / "data/05-large").open("r+b") as file:
        file.write(b"torn")
    with pytest.raises(S3Error) as caught:
        brought(client, bucket, wanted, tmp_path / "journal")
    assert caught.value.reason == "ObjectMismatch"
    brought(client, bucket, wanted, tmp_path / "journal")
    assert {file: file.read_bytes() for file in contents} == contents


@pytest.mark.parametrize("harm", ["removed", "truncated", "written"])
def test_harm_between_two_runs(client, mixed, tmp_path, harm):
    """A file that is not as it was left is brought again, whatever the journal says."""
    bucket, wanted, contents = mixed
    brought(client, bucket, wanted, tmp_path / "journal")
    file = tmp_path / "data" / ("05-large" if harm == "truncated" else "03")
    if harm == "removed":
        file.unlink()
    else:
        file.write_bytes(b"x" * (1000 if harm == "written" else 5))
    brought(client, bucket, wanted, tmp_path / "journal")
    assert {file: file.read_bytes() for file in contents} == contents


def test_a_worker_that_is_killed(pod, s3, client, new_bucket):
    """An init container that is killed in the midst of it and run again ends with the right data in place."""
    source, store = new_bucket(), new_bucket(versioned=False)
    contents = {f"{number:03}.csv": b"x\n%d\n" % number for number in range(400)} | {"large.csv": b"x\n" * (40 * MIB)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: client.put_object(Bucket=source, Key=f"in/{one[0]}", Body=one[1]), contents.items()))
    listed = pin(client, S3Place(bucket=source, prefix="in/"), pod.root / "manifest")
    client.put_object(Bucket=store, Key="manifest", Body=(pod.root / "manifest").read_bytes())
    dataset = {"name": "train", "digest": listed.manifest.digest, "manifest": f"s3://{store}/manifest"}
    task = {
        "store": pod.place(store),
        "datasets": [{**dataset, "source": pod.place(source, "in/")}],
        "hyperparameters": {},
        "checkpoints": f"s3://{store}/checkpoints/",
    }
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {**os.environ, **pod.environment, **path, "MODELOPS_TASK": json.dumps(task)}
    command = [sys.executable, "-m", "modelops.worker", "fetch"]
    journal = pod.root / "ml/input/.fetched/train"
    for lines in (50, 200):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            assert time.monotonic() < deadline
            assert process.poll() is None, "it was done before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = pod.run("fetch", task)
    assert (done.exit_code, done.report["objects"]) == (0, len(contents)), done.output
    data = pod.root / "ml/input/data/train"
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in data.iterdir()}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def test_cuts_need_few_requests(client, new_bucket, tmp_path):
    """What fits one page is listed with one request: cutting is for what is large."""
    bucket = new_bucket(versioned=False)
    put_all(client, bucket, [f"{number}/x" for number in range(40)])
    asked = requests_of(client)
    pin(client, S3Place(bucket=bucket), tmp_path / "manifest")
    assert [one["name"] for one in asked] == ["GetBucketVersioning", "ListObjectsV2"]
