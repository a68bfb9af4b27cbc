"""Parallel listing and download against a real S3: the result is that of serial work, also after a kill."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import dataset_digest, manifest_line
from modelops.store.client import S3Client
from modelops.store.errors import S3Error
from modelops.store.fetching import LargeObject, fetch_pinned, preallocate
from modelops.store.listing import list_current
from modelops.store.ranges import KeyRanges
from modelops.worker.datasets import pinning
from modelops.worker.datasets.download import Download, download_objects
from modelops.worker.datasets.download_journal import DownloadJournal
from modelops.worker.datasets.pinning import pin
from support.worker_pod import Json, WorkerPod

MIB = 1 << 20


def put_all(client: S3Client, bucket: str, keys: list[str]) -> None:
    """Write an object for each key, with the key as content."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))


def record_requests(client: S3Client) -> list[Json]:
    """Return a list that receives the name and parameters of every request from now on."""
    requests: list[Json] = []
    client.meta.events.register(
        "provide-client-params.s3", lambda params, model, **_: requests.append({"name": model.name, **params})
    )
    return requests


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """List in parallel from the second page on, so that few objects suffice."""
    monkeypatch.setattr(pinning, "_HEAD_PAGES", 1)
    monkeypatch.setattr(pinning, "KeyRanges", partial(KeyRanges, pages_per_segment=0))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("versioned", [True, False])
def test_a_parallel_listing_equals_the_serial_listing(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path, versioned: bool
) -> None:
    """A large prefix is listed in parallel ranges, and its digest is that of the serial listing."""
    bucket = new_bucket(versioned=versioned)
    put_all(client, bucket, [f"p/{number % 9}/{number:05}" for number in range(2300)] + ["p/0/ü +&%", "q/x"])
    if versioned:
        put_all(client, bucket, ["p/3/00003", "p/8/00008"])
        client.delete_object(Bucket=bucket, Key="p/4/00004")
    serial = list(list_current(client, bucket, "p/").objects)
    requests = record_requests(client)
    listed = pin(client, S3Place(bucket=bucket, prefix="p/"), tmp_path / "manifest")
    assert list(listed.manifest.entries()) == serial
    assert listed.manifest.digest == dataset_digest(manifest_line(*pinned) for pinned in serial)
    assert listed.manifest.bytes == sum(pinned.size for pinned in serial)
    starts = {str(request.get("StartAfter") or request.get("KeyMarker")) for request in requests}
    assert len([start for start in starts if start.endswith("/")]) > 2
    assert [file.name for file in tmp_path.iterdir()] == ["manifest"]


@pytest.mark.usefixtures("eager")
def test_a_service_with_an_order_of_its_own_is_listed_serially(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SeaweedFS lists an unversioned bucket by directories, `d/` before `d-x`. No key is lost or repeated."""
    bucket = new_bucket(versioned=False)
    keys = [f"{name}/{number:04}" for name in ("a", "b", "c", "d", "d-x", "e") for number in range(300)]
    put_all(client, bucket, keys)
    caplog.set_level("INFO")
    listed = pin(client, S3Place(bucket=bucket), tmp_path / "manifest")
    assert [pinned.key for pinned in listed.manifest.entries()] == sorted(keys)
    assert "listing serially" in caplog.text


def upload_parts(client: S3Client, bucket: str, key: str, sizes: list[int], **more: str) -> bytes:
    """Upload an object in parts of these sizes, and return its content."""
    parts = [os.urandom(size) for size in sizes]
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    name = {"Bucket": bucket, "Key": key, "UploadId": upload}
    uploaded = [
        {"PartNumber": number, "ETag": client.upload_part(**name, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    client.complete_multipart_upload(**name, MultipartUpload={"Parts": uploaded})
    return b"".join(parts)


SSE = {"ServerSideEncryption": "AES256"}


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize(
    ("sizes", "more"),
    [
        pytest.param([5 * MIB, 5 * MIB, 11], {}, id="an object in parts of one size"),
        pytest.param([5 * MIB, 7 * MIB, 6 * MIB, 1], {}, id="an object in parts of different sizes"),
        pytest.param([12 * MIB], {}, id="an object in a single part"),
        pytest.param([5 * MIB, 9], SSE, id="an encrypted object in parts"),
    ],
)
def test_an_object_that_was_uploaded_in_parts_is_verified_by_its_etag(
    client: S3Client,
    new_bucket: Callable[..., str],
    tmp_path: Path,
    versioned: bool,
    sizes: list[int],
    more: dict[str, str],
) -> None:
    """Whether downloaded as a whole or in ranges. Other bytes are refused."""
    bucket = new_bucket(versioned=versioned)
    content = upload_parts(client, bucket, "k", sizes, **more)
    (pinned,) = list_current(client, bucket, "").objects
    assert pinned.etag.endswith(f"-{len(sizes)}")
    fetch_pinned(client, bucket, pinned, tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == content
    downloads = [Download(pinned, tmp_path / "ranges")]
    assert list(download_objects(client, bucket, downloads, large_bytes=MIB, range_bytes=3 * MIB)) == downloads
    assert (tmp_path / "ranges").read_bytes() == content

    large = LargeObject(client, bucket, pinned)
    preallocate(tmp_path / "torn", pinned.size)
    large.fetch_range(0, pinned.size - 1, tmp_path / "torn")
    with (tmp_path / "torn").open("r+b") as torn:
        torn.seek(-1, os.SEEK_END)
        torn.write(bytes([content[-1] ^ 1]))  # A byte that stays zero is right in one of 256 runs.
    with pytest.raises(S3Error) as caught:
        large.verify_range(0, pinned.size, tmp_path / "torn")
    assert caught.value.reason == "ObjectMismatch"


def test_encryption_by_the_service_is_transparent_and_by_a_customer_key_an_error(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path
) -> None:
    """An object with a customer's key (SSE-C) cannot be read, and the message has the service's reason."""
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
def test_an_object_with_a_checksum_is_verified_by_the_checksum(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path, algorithm: str
) -> None:
    """Also if its ETag proves nothing."""
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


def test_an_object_without_a_proof_must_have_the_pinned_etag(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path
) -> None:
    """If neither ETag nor checksum proves the bytes, version and ETag of the response must be the pinned ones."""
    bucket = new_bucket()
    client.put_object(Bucket=bucket, Key="k", Body=b"12345678")
    (pinned,) = list_current(client, bucket, "").objects
    with pytest.raises(S3Error) as caught:
        fetch_pinned(client, bucket, pinned._replace(etag="opaque"), tmp_path / "k")
    assert caught.value.reason == "ObjectMismatch"


@pytest.mark.parametrize("versioned", [True, False])
def test_ranges_of_two_states_of_an_object_are_never_combined(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path, versioned: bool
) -> None:
    """An object may be overwritten or deleted while its ranges are downloaded."""
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


@dataclass
class Dataset:
    """Objects of a bucket, and the files to which they are downloaded."""

    client: S3Client
    bucket: str
    downloads: list[Download]
    contents: dict[Path, bytes]
    """Expected content of each file."""
    journal: Path

    def download(self, *, stop_after: int | None = None) -> list[Download]:
        """Download with the journal, and return what was completed. With `stop_after`, stop after so many objects."""
        completed = []
        with DownloadJournal(self.journal, "digest") as journal:
            for download in download_objects(
                self.client, self.bucket, self.downloads, journal=journal, large_bytes=MIB, range_bytes=MIB // 2
            ):
                completed.append(download)
                if len(completed) == stop_after:
                    break
        return completed

    def files(self) -> dict[Path, bytes]:
        """Read all files."""
        return {file: file.read_bytes() for file in self.contents}


@pytest.fixture
def dataset(client: S3Client, new_bucket: Callable[..., str], tmp_path: Path) -> Dataset:
    """Small objects, an empty object, and two objects that are downloaded in ranges."""
    bucket = new_bucket()
    contents = {f"{number:02}": os.urandom(1000) for number in range(20)} | {"10-empty": b""}
    contents |= {"05-large": os.urandom(3 * MIB), "15-large": os.urandom(2 * MIB + 1)}
    for key, content in contents.items():
        client.put_object(Bucket=bucket, Key=key, Body=content)
    data = tmp_path / "data"
    data.mkdir()
    downloads = [Download(pinned, data / pinned.key) for pinned in list_current(client, bucket, "").objects]
    files = {data / key: content for key, content in contents.items()}
    return Dataset(client, bucket, downloads, files, tmp_path / "journal")


@pytest.mark.parametrize("stop_after", [1, 6, 7, 17, 23])
def test_a_download_that_was_stopped_resumes(client: S3Client, dataset: Dataset, stop_after: int) -> None:
    """The second run downloads only what is missing, and the third run nothing."""
    dataset.download(stop_after=stop_after)
    requests = record_requests(client)
    assert dataset.download() == dataset.downloads
    assert dataset.files() == dataset.contents
    completed = {download.pinned.key for download in dataset.downloads[:stop_after]}
    assert not {request["Key"] for request in requests} & completed
    requests.clear()
    assert dataset.download() == dataset.downloads
    assert not requests


def test_a_large_object_resumes_in_its_middle(client: S3Client, dataset: Dataset) -> None:
    """Only the missing ranges are downloaded, and the object is verified together with the earlier ranges."""
    dataset.download()
    lines = dataset.journal.read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if b"05-large" in line)
    dataset.journal.write_bytes(b"".join(lines[: first + 2]))
    requests = record_requests(client)
    dataset.download()
    ranges = [request["Range"] for request in requests if request["Key"] == "05-large" and "Range" in request]
    assert sorted(ranges) == sorted(f"bytes={n * MIB // 2}-{(n + 1) * MIB // 2 - 1}" for n in range(2, 6))
    assert dataset.files() == dataset.contents

    dataset.journal.write_bytes(b"".join(lines[: first + 2]))
    (large,) = (file for file in dataset.contents if file.name == "05-large")
    with large.open("r+b") as file:
        file.write(b"torn")
    with pytest.raises(S3Error) as caught:
        dataset.download()
    assert caught.value.reason == "ObjectMismatch"
    dataset.download()
    assert dataset.files() == dataset.contents


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("03", None, id="a deleted file is downloaded again"),
        pytest.param("05-large", b"xxxxx", id="a truncated file is downloaded again"),
        pytest.param("03", b"x" * 1000, id="an overwritten file is downloaded again"),
    ],
)
def test_a_file_that_was_changed_between_two_runs(dataset: Dataset, name: str, content: bytes | None) -> None:
    """Whatever the journal says."""
    dataset.download()
    (file,) = (file for file in dataset.contents if file.name == name)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    dataset.download()
    assert dataset.files() == dataset.contents


def test_a_fetch_that_was_killed_twice_ends_with_the_right_data(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str]
) -> None:
    """The kubelet restarts an init container that was killed."""
    source, store = new_bucket(), new_bucket(versioned=False)
    contents = {f"{number:03}.csv": b"x\n%d\n" % number for number in range(400)} | {"large.csv": b"x\n" * (40 * MIB)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: client.put_object(Bucket=source, Key=f"in/{name}", Body=contents[name]), contents))
    listed = pin(client, S3Place(bucket=source, prefix="in/"), pod.root / "manifest")
    client.put_object(Bucket=store, Key="manifest", Body=(pod.root / "manifest").read_bytes())
    dataset = {
        "name": "train",
        "digest": listed.manifest.digest,
        "manifest": f"s3://{store}/manifest",
        "objects": listed.manifest.objects,
        "source": pod.place(source, "in/"),
    }
    task = {
        "store": pod.place(store),
        "datasets": [dataset],
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
            assert process.poll() is None, "the fetch ended before the kill"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    outcome = pod.run("fetch", task)
    assert (outcome.exit_code, outcome.report["objects"]) == (0, len(contents)), outcome.output
    data = pod.root / "ml/input/data/train"
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in data.iterdir()}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def test_a_listing_of_a_single_page_needs_a_single_request(
    client: S3Client, new_bucket: Callable[..., str], tmp_path: Path
) -> None:
    """A small listing is not divided into ranges."""
    bucket = new_bucket(versioned=False)
    put_all(client, bucket, [f"{number}/x" for number in range(40)])
    requests = record_requests(client)
    pin(client, S3Place(bucket=bucket), tmp_path / "manifest")
    assert [request["name"] for request in requests] == ["GetBucketVersioning", "ListObjectsV2"]
