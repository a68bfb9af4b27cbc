"""The worker's commands against a real S3: from data to a model, and from a model to its server."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.store.client import S3Client
from modelops.store.listing import ListingSummary, list_current, probe
from modelops.store.pages import Page, Pages, Position
from modelops.worker import fetch_model
from modelops.worker.quality import baselines
from support import s3_server
from support.checkout import ROOT
from support.worker_pod import Json, WorkerPod

HMDA = ROOT / "examples" / "mortgage" / "data" / "applications.csv"
DATA = HMDA.read_bytes() if HMDA.exists() else b'"","dir","black","deny"\n"1",0.2,"no","no"\n'


def snapshot_task(pod: WorkerPod, client: S3Client, buckets: tuple[str, str], **more: Any) -> Json:
    """Build a snapshot task that expects what is in the source now."""
    source, store = buckets
    listed = probe(client, S3Place(bucket=source, prefix="in/"), 10_000)
    assert isinstance(listed, ListingSummary)
    return {
        "source": pod.place(source, "in/"),
        "store": pod.place(store, "ops"),
        "expectDigest": listed.digest,
        "format": {"type": "csv"},
        **more,
    }


def schema(*columns: Json) -> Json:
    return {"schema": {"columns": list(columns)}}


def body(client: S3Client, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert isinstance(content, bytes)
    return content


@pytest.fixture
def buckets(client: S3Client, new_bucket: Callable[..., str]) -> tuple[str, str]:
    """Source with the mortgage data, and store."""
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=DATA)
    return source, store


def test_a_snapshot_is_named_by_its_content_and_repeatable(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """The digest is the manifest's sha256sum, the profile is named by its own, and a second run changes nothing."""
    source, store = buckets
    client.put_object(Bucket=source, Key="in/old.csv", Body=DATA)
    client.delete_object(Bucket=source, Key="in/old.csv")
    columns = schema({"name": "dir", "type": "number", "min": 0, "max": 3}, {"name": "black", "type": "string"})
    task = snapshot_task(pod, client, buckets, **columns)
    outcome = pod.run("snapshot", task)
    report = outcome.report
    assert (outcome.exit_code, report.get("failure"), report.get("violations")) == (0, None, None), outcome.output
    assert (report["rows"], report["objects"], report["bytes"]) == (DATA.count(b"\n") - 1, 1, len(DATA))
    assert report["versioned"]
    assert report["digest"] == task["expectDigest"]
    assert "sha256:" + hashlib.sha256(body(client, report["manifest"])).hexdigest() == report["digest"]
    profile = body(client, report["profile"])
    assert report["profile"] == f"s3://{store}/ops/datasets/profiles/sha256-{hashlib.sha256(profile).hexdigest()}.json"
    assert json.loads(profile)["rows"] == report["rows"]
    assert pod.run("snapshot", task).report == report
    assert not list(pod.root.glob("modelops-*")), "scratch is left behind"


def test_violations_are_reported_and_are_not_a_failure(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """The worker counts violations, and the operator decides by onViolation."""
    source, _ = buckets
    client.put_object(Bucket=source, Key="in/z.csv", Body=b"dir,black\n9,no\nx,yes\n")
    client.put_object(Bucket=source, Key="in/zz.csv", Body=b"\xff\xfe\x00")
    columns = schema({"name": "dir", "type": "number", "max": 3})
    report = pod.run("snapshot", snapshot_task(pod, client, buckets, **columns)).report
    assert report["violations"]["total"] == 3
    assert "in/zz.csv is not a readable CSV file" in report["violations"]["examples"][0]
    assert "1 of " in report["violations"]["examples"][1]
    assert "profile" not in report
    assert "failure" not in report


def test_no_text_and_no_protected_cell_is_in_a_report_or_a_log(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """Reports become statuses and Events, which more people read than the data."""
    source, _ = buckets
    cell = "Ada Lovelace"
    rows = f"name,dir,black\n{cell},{cell},{cell}\n{cell},{cell},{cell},{cell}\nx,9,270385\n"
    client.put_object(Bucket=source, Key="in/z.csv", Body=rows.encode())
    client.put_object(Bucket=source, Key="in/zz.csv", Body=f"{cell},{cell}\n".encode())
    columns: Json = schema(
        {"name": "name", "type": "string", "enum": ["x"], "unique": True},
        {"name": "dir", "type": "number", "max": 3},
        {"name": "black", "type": "string", "enum": ["yes"]},
    )
    columns["schema"]["protected"] = ["black"]
    outcome = pod.run("snapshot", snapshot_task(pod, client, buckets, **columns))
    examples = " ".join(outcome.report["violations"]["examples"])
    assert "in/z.csv row 3: 9" in examples
    assert 'column "black"' in examples
    for value in (cell, "270385"):
        assert value not in str(outcome.report)
        assert value not in outcome.output


CHECKS = [
    {"rows": {"min": 2}},
    {"rowsChange": {"min": -0.5}},
    {"column": "dir", "drift": {"max": 0.2}},
    {"column": "black", "bias": {"metric": "ClassImbalance", "group": "yes", "max": 0.9}},
]


def test_checks_compare_with_the_profile_of_the_current_snapshot(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """The first snapshot has nothing to compare with. The next snapshot is compared with the first one's profile."""
    source, _ = buckets
    more: Json = {"schema": {"protected": ["black"]}, "checks": CHECKS}
    first = pod.run("snapshot", snapshot_task(pod, client, buckets, **more)).report
    assert [check["outcome"] for check in first["checks"]] == ["Passed", "Skipped", "Skipped", "Passed"]
    assert json.loads(body(client, first["profile"]))["bias"]["columns"][0]["name"] == "black"
    more["baseline"] = first["profile"]
    same = pod.run("snapshot", snapshot_task(pod, client, buckets, **more)).report
    assert [check.get("value") for check in same["checks"][1:3]] == [0, 0]
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=b"dir,black\n2.5,yes\n2.6,no\n")
    worse = pod.run("snapshot", snapshot_task(pod, client, buckets, **more)).report
    assert [check["outcome"] for check in worse["checks"]] == ["Passed", "Failed", "Failed", "Passed"]
    assert "failure" not in worse


def test_an_altered_or_missing_baseline_is_refused(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drift is never measured against a wrong profile. Without a check that compares, the profile is not read."""
    _, store = buckets
    profile = pod.run("snapshot", snapshot_task(pod, client, buckets)).report["profile"]
    key = profile.removeprefix(f"s3://{store}/")
    task = snapshot_task(pod, client, buckets, baseline=profile, checks=CHECKS[:3])
    client.put_object(Bucket=store, Key=key, Body=b"{}")
    assert pod.run("snapshot", task).failure == (42, "DigestMismatch")
    with monkeypatch.context() as context:
        context.setattr(baselines, "_MAX_BYTES", 1)
        outcome = pod.run("snapshot", task)
        assert outcome.failure == (42, "BaselineUnreadable")
        assert "the profile has more than 1 bytes; restore" in outcome.report["failure"]["message"]
    client.delete_object(Bucket=store, Key=key)
    assert pod.run("snapshot", task).failure == (42, "BaselineMissing")
    assert "failure" not in pod.run("snapshot", {**task, "checks": CHECKS[:1]}).report


def test_a_manifest_that_was_planted_is_reported(pod: WorkerPod, client: S3Client, buckets: tuple[str, str]) -> None:
    """A snapshot whose manifest nobody could use is not taken for a good one."""
    task = snapshot_task(pod, client, buckets)
    manifest = f"ops/datasets/manifests/sha256-{task['expectDigest'].removeprefix('sha256:')}"
    client.put_object(Bucket=buckets[1], Key=manifest, Body=b"planted")
    outcome = pod.run("snapshot", task)
    assert outcome.failure == (42, "ObjectMismatch")
    assert f'object "{manifest}"' in outcome.report["failure"]["message"]
    assert body(client, f"s3://{buckets[1]}/{manifest}") == b"planted"


def test_data_that_changed_after_the_operators_probe_is_refused(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """Another listing is never taken for the listing that the operator has seen."""
    source, _ = buckets
    task = snapshot_task(pod, client, buckets)
    client.put_object(Bucket=source, Key="in/b.csv", Body=DATA)
    outcome = pod.run("snapshot", task)
    assert outcome.failure == (42, "SourceChanged")
    assert outcome.report["digest"] != task["expectDigest"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"prefix": "nothing/"}, "EmptyPrefix", id="a prefix without objects"),
        pytest.param({"bucket": "no-such-bucket"}, "NoSuchBucket", id="a bucket that does not exist"),
        pytest.param({"secretName": "reader"}, "AccessDenied", id="a Secret without the right to read"),
        pytest.param({"secretName": "none"}, "InvalidCredentials", id="a Secret that is not mounted"),
    ],
)
def test_a_mistake_in_the_source_ends_the_job_with_its_reason(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str], change: Json, reason: str
) -> None:
    """A person must correct the spec or a Secret, so the Job does not try again."""
    task = snapshot_task(pod, client, buckets)
    task["source"].update(change)
    assert pod.run("snapshot", task).failure == (42, reason)


def test_wrong_keys_in_a_secret_end_the_job_with_their_reason(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    task = snapshot_task(pod, client, buckets)
    pod.secret("s3", "nobody", "x")
    assert pod.run("snapshot", task).failure == (42, "InvalidCredentials")


def fetch_task(pod: WorkerPod, client: S3Client, buckets: tuple[str, str], **more: Any) -> Json:
    """Take a snapshot, and build the task that fetches it for a training."""
    source, store = buckets
    report = pod.run("snapshot", snapshot_task(pod, client, buckets)).report
    dataset = {
        "name": "train",
        "digest": report["digest"],
        "manifest": report["manifest"],
        "objects": report["objects"],
        "source": pod.place(source, "in/"),
    }
    return {
        "store": pod.place(store, "ops"),
        "datasets": [dataset],
        "hyperparameters": {"depth": "4"},
        "checkpoints": f"s3://{store}/ops/runs/one/",
        **more,
    }


def test_fetch_downloads_the_pinned_data_though_the_source_has_changed(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """The trainer finds the snapshot's bytes where SageMaker has them."""
    source, _ = buckets
    for number in range(30):
        client.put_object(Bucket=source, Key=f"in/deep/{number}.csv", Body=b"dir\n%d\n" % number)
    task = fetch_task(pod, client, buckets, contentType={"train": "text/csv"})
    client.put_object(Bucket=source, Key="in/hmda.csv", Body=b"other")
    client.delete_object(Bucket=source, Key="in/deep/7.csv")
    outcome = pod.run("fetch", task)
    assert (outcome.exit_code, outcome.report["objects"]) == (0, 31), outcome.output
    assert set(outcome.report) == {"objects", "bytes"}
    data, config = pod.root / "ml/input/data/train", pod.root / "ml/input/config"
    assert (data / "hmda.csv").read_bytes() == DATA
    assert (data / "deep/7.csv").read_bytes() == b"dir\n7\n"
    assert json.loads((config / "hyperparameters.json").read_text()) == {"depth": "4"}
    assert json.loads((config / "inputdataconfig.json").read_text())["train"]["ContentType"] == "text/csv"
    assert json.loads((config / "resourceconfig.json").read_text())["current_host"] == "algo-1"
    assert all(os.access(pod.root / "shared/bin" / name, os.X_OK) for name in ("tini", "busybox", "supervise.sh"))


def test_fetch_refuses_data_that_is_not_the_snapshot(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """A missing version, an altered manifest and a missing manifest each have a reason."""
    source, store = buckets
    task = fetch_task(pod, client, buckets)
    manifest = task["datasets"][0]["manifest"].removeprefix(f"s3://{store}/")
    (version,) = (version["VersionId"] for version in client.list_object_versions(Bucket=source)["Versions"])
    client.delete_object(Bucket=source, Key="in/hmda.csv", VersionId=version)
    assert pod.run("fetch", task).failure == (42, "PinnedVersionMissing")
    client.put_object(Bucket=store, Key=manifest, Body=b"in/hmda.csv\0v\x001\0e\n")
    assert pod.run("fetch", task).failure == (42, "DigestMismatch")
    client.delete_object(Bucket=store, Key=manifest)
    assert pod.run("fetch", task).failure == (42, "ManifestMissing")


def test_a_manifest_larger_than_its_objects_need_is_not_downloaded(
    pod: WorkerPod, client: S3Client, buckets: tuple[str, str]
) -> None:
    """The digest is compared once the manifest is on disk, which a manifest without an end would fill."""
    store = buckets[1]
    task = fetch_task(pod, client, buckets)
    manifest = task["datasets"][0]["manifest"].removeprefix(f"s3://{store}/")
    client.put_object(Bucket=store, Key=manifest, Body=b"x" * (8 << 20))
    outcome = pod.run("fetch", task)
    assert outcome.failure == (42, "DigestMismatch")
    assert "more than 8192 bytes for 1 objects; restore" in outcome.report["failure"]["message"]
    assert not [file for file in pod.root.glob("modelops-*/manifest") if file.stat().st_size]


MODEL = {"model.bin": b"weights" * 1000, "tokens/vocab.txt": b"a\nb\n", "empty": b""}


def write_model(pod: WorkerPod, metrics: str = "{}") -> None:
    """Leave the files that a trainer which succeeded leaves."""
    state = pod.root / "shared/state"
    (pod.root / "ml/output").mkdir(parents=True, exist_ok=True)
    state.mkdir(parents=True, exist_ok=True)
    if not (state / "alive").exists():
        os.mkfifo(state / "alive")
    (state / "started").touch()
    (state / "exit-code").write_text("0\n")
    (pod.root / "ml/output/metrics.json").write_text(metrics)
    for name, content in MODEL.items():
        file = pod.root / "ml/model" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def sidecar_task(pod: WorkerPod, store: str, *, publish_timeout_seconds: float = 30) -> Json:
    return {
        "store": pod.place(store, "ops"),
        "publishTimeoutSeconds": publish_timeout_seconds,
        "checkpoints": f"s3://{store}/ops/runs/one/",
    }


def publish_model(pod: WorkerPod, store: str) -> Json:
    """Publish the model, and return the sidecar's report."""
    write_model(pod, '{"accuracy": 0.9}')
    outcome = pod.run("sidecar", sidecar_task(pod, store))
    assert outcome.exit_code == 0, outcome.output
    return outcome.report


def fetch_model_task(pod: WorkerPod, store: str, artifact: Json) -> Json:
    return {
        "artifactUri": artifact["uri"],
        "digest": artifact["digest"],
        "bytes": artifact["bytes"],
        "store": pod.place(store),
    }


def test_a_published_model_is_fetched_as_it_was(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str]
) -> None:
    """From trainer to server: the same files, with one digest. Publishing the same model again changes nothing."""
    store = new_bucket()
    report = publish_model(pod, store)
    assert report["metrics"] == {"accuracy": 0.9}
    artifact = report["artifact"]
    assert artifact["uri"] == f"s3://{store}/ops/models/sha256-{artifact['digest'].removeprefix('sha256:')}/"
    assert (artifact["files"], artifact["bytes"]) == (3, sum(map(len, MODEL.values())))
    assert publish_model(pod, store) == report
    assert len(client.list_object_versions(Bucket=store)["Versions"]) == 3

    outcome = pod.run("fetch-model", fetch_model_task(pod, store, artifact))
    assert (outcome.exit_code, outcome.report) == (0, {"objects": 3, "bytes": artifact["bytes"]}), outcome.output
    models = pod.root / "models"
    files = {file.relative_to(models).as_posix(): file.read_bytes() for file in models.rglob("*") if file.is_file()}
    assert files == MODEL
    assert os.access(pod.root / "shared/bin/drain.sh", os.X_OK)
    assert os.access(pod.root / "shared/bin/warm-up.sh", os.X_OK)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("a file is overwritten", "DigestMismatch"),
        ("an empty file is added", "DigestMismatch"),
        ("a file is deleted", "DigestMismatch"),
        ("a file is added", "ArtifactTooLarge"),
        ("a file grows", "ArtifactTooLarge"),
    ],
)
def test_an_altered_model_is_never_served(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str], change: str, reason: str
) -> None:
    """Whatever was done to the artifact, the server finds no file of it."""
    store = new_bucket(versioned=False)
    artifact = publish_model(pod, store)["artifact"]
    root = artifact["uri"].removeprefix(f"s3://{store}/")
    if change == "a file is overwritten":
        client.put_object(Bucket=store, Key=root + "model.bin", Body=b"w3ights" * 1000)
    elif change == "a file is deleted":
        client.delete_object(Bucket=store, Key=root + "model.bin")
    elif change == "a file grows":
        client.put_object(Bucket=store, Key=root + "model.bin", Body=b"weights" * 1001)
    else:
        client.put_object(Bucket=store, Key=root + "added", Body=b"x" if change == "a file is added" else b"")
    assert pod.run("fetch-model", fetch_model_task(pod, store, artifact)).failure == (42, reason)
    assert not list((pod.root / "models").iterdir())


@pytest.fixture
def largest_file(pod: WorkerPod, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Function that returns the size of the largest file that was in the model directory at any time."""
    sizes = [0]
    empty = fetch_model._empty

    def measure(directory: Path) -> None:
        sizes.extend(file.stat().st_size for file in directory.rglob("*") if file.is_file())
        empty(directory)

    monkeypatch.setattr(fetch_model, "_empty", measure)
    return lambda: max(sizes)


def test_no_more_of_an_artifact_is_downloaded_than_its_version_declares(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str], largest_file: Callable[[], int]
) -> None:
    """An object larger than all of the model would fill the node's disk before its digest is known."""
    store = new_bucket()
    client.put_object(Bucket=store, Key="models/one/model.bin", Body=b"x" * (8 << 20))
    artifact = {"uri": f"s3://{store}/models/one/", "digest": "sha256:" + "0" * 64, "bytes": (8 << 20) - 1}
    outcome = pod.run("fetch-model", fetch_model_task(pod, store, artifact))
    assert outcome.failure == (42, "ArtifactTooLarge")
    assert "has 8388608 bytes, and artifact.bytes is 8388607; restore" in outcome.report["failure"]["message"]
    assert largest_file() == 0


def test_a_file_that_grows_after_the_listing_is_not_downloaded(
    pod: WorkerPod,
    client: S3Client,
    new_bucket: Callable[..., str],
    largest_file: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever writes to the store between the listing and the download gains nothing."""
    store = new_bucket(versioned=False)
    artifact = publish_model(pod, store)["artifact"]
    key = artifact["uri"].removeprefix(f"s3://{store}/") + "model.bin"

    def then_write(*place: Any) -> Any:
        listed = list_current(*place)
        objects = list(listed.objects)
        client.put_object(Bucket=store, Key=key, Body=b"x" * (8 << 20))
        return listed._replace(objects=iter(objects))

    monkeypatch.setattr(fetch_model, "list_current", then_write)
    outcome = pod.run("fetch-model", fetch_model_task(pod, store, artifact))
    assert outcome.failure == (42, "ArtifactTooLarge")
    assert "more than 7000 bytes, its size in the listing; restore" in outcome.report["failure"]["message"]
    assert largest_file() < 7000
    assert not list((pod.root / "models").iterdir())


def test_a_listing_of_too_many_objects_ends_early(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prefix with a million empty objects neither fills the worker's memory nor the disk's inodes."""
    store = new_bucket(versioned=False)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.put_object(Bucket=store, Key=f"m/{number:04}"), range(1003)))
    artifact = {"uri": f"s3://{store}/m/", "digest": "sha256:" + "0" * 64, "bytes": 0}
    pages: list[Page] = []
    request = Pages.page

    def page(listing: Pages, at: Position) -> Page:
        pages.append(request(listing, at))
        return pages[-1]

    monkeypatch.setattr(Pages, "page", page)
    assert pod.run("fetch-model", fetch_model_task(pod, store, artifact)).failure == (42, "DigestMismatch")
    assert len(pages) == 2
    monkeypatch.setattr(fetch_model, "MAX_FILES", 3)
    outcome = pod.run("fetch-model", fetch_model_task(pod, store, artifact))
    assert outcome.failure == (42, "ArtifactTooLarge")
    assert "has more than 3 objects; restore" in outcome.report["failure"]["message"]
    assert len(pages) == 3, "the second page is not requested"
    assert not list((pod.root / "models").iterdir())


def test_a_model_that_was_deleted_has_its_own_reason(pod: WorkerPod, new_bucket: Callable[..., str]) -> None:
    """A person can distinguish a deleted artifact from an altered one."""
    store = new_bucket()
    artifact = {"uri": f"s3://{store}/none/", "digest": "sha256:" + "0" * 64, "bytes": 1}
    assert pod.run("fetch-model", fetch_model_task(pod, store, artifact)).failure == (42, "ArtifactNotFound")


def test_a_bucket_that_is_created_during_publishing_gets_the_model(pod: WorkerPod, client: S3Client) -> None:
    """A trained model is not lost to a missing bucket."""
    write_model(pod)
    bucket = "made-late"
    timer = threading.Timer(1.0, lambda: client.create_bucket(Bucket=bucket))
    timer.start()
    outcome = pod.run("sidecar", sidecar_task(pod, bucket))
    assert outcome.exit_code == 0, outcome.output
    assert "not found; create the bucket or correct the name" in outcome.output


@pytest.mark.parametrize("mounted", ["wrong keys", "no keys"])
def test_a_secret_that_is_corrected_during_publishing_is_used(
    pod: WorkerPod, new_bucket: Callable[..., str], mounted: str
) -> None:
    """The kubelet updates a mounted Secret while the Pod runs: a wrong key does not cost a trained model."""
    write_model(pod)
    task = sidecar_task(pod, new_bucket())
    task["store"]["secretName"] = "late"
    if mounted == "wrong keys":
        pod.secret("late", "nobody", "nothing")
    timer = threading.Timer(1.5, lambda: pod.secret("late", s3_server.ACCESS_KEY, s3_server.SECRET_KEY))
    timer.start()
    outcome = pod.run("sidecar", task)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.report["artifact"]["files"] == len(MODEL)


def test_publishing_that_times_out_reports_the_cause(pod: WorkerPod) -> None:
    write_model(pod)
    began = time.monotonic()
    outcome = pod.run("sidecar", sidecar_task(pod, "never-made", publish_timeout_seconds=1))
    assert outcome.failure == (1, "PublishFailed")
    assert "not found; create the bucket or correct the name" in outcome.report["failure"]["message"]
    assert time.monotonic() - began < 15
