"""Snapshots that probe their source themselves, and snapshots of volumes, from the first probe to a trainer's files."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelops.store.client import S3Client
from support.worker_pod import Json, WorkerPod

DATA = b"dir,black\n0.2,no\n0.3,yes\n"


def probe_task(pod: WorkerPod, source: Json | None, store: str, **probe: Any) -> Json:
    """Build a task that probes. Without a source it reads the mounted volume."""
    task = {"store": pod.place(store, "ops"), "probe": {"settleSeconds": 0.1, **probe}, "format": {"type": "csv"}}
    return task if source is None else {**task, "source": source}


@pytest.fixture
def volume(pod: WorkerPod) -> Path:
    """Volume that is mounted in the Job's Pod."""
    root = pod.root / "volume"
    (root / "deep").mkdir(parents=True)
    (root / "a.csv").write_bytes(DATA)
    (root / "deep/b.csv").write_bytes(DATA)
    pod.environment["MODELOPS_VOLUME_DIR"] = str(root)
    return root


def test_a_probe_of_a_bucket_reads_new_data_and_does_not_read_known_data(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str]
) -> None:
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/a.csv", Body=DATA)
    place = pod.place(source, "in/")
    first = pod.run("snapshot", probe_task(pod, place, store, knownDigests=["sha256:" + "0" * 64])).report
    assert (first["rows"], first["objects"], first["unchanged"]) == (2, 1, False)
    assert first["newest"].endswith("Z")
    again = pod.run("snapshot", probe_task(pod, place, store, knownDigests=[first["digest"]], settleSeconds=600))
    assert (again.exit_code, again.report["unchanged"], again.report["digest"]) == (0, True, first["digest"])
    assert (again.report["objects"], again.report["bytes"]) == (1, len(DATA))
    assert "manifest" not in again.report


def test_a_probe_waits_until_an_upload_has_settled(
    pod: WorkerPod, client: S3Client, new_bucket: Callable[..., str]
) -> None:
    """Half of an upload never becomes a snapshot."""
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/0.csv", Body=DATA)
    ended = threading.Event()

    def upload() -> None:
        for number in range(1, 8):
            time.sleep(0.3)
            client.put_object(Bucket=source, Key=f"in/{number}.csv", Body=DATA)
        ended.set()

    threading.Thread(target=upload).start()
    report = pod.run("snapshot", probe_task(pod, pod.place(source, "in/"), store, settleSeconds=1.0)).report
    assert ended.is_set()
    assert (report["objects"], report["rows"]) == (8, 16)


def test_a_snapshot_of_a_volume_pins_files_by_content(
    pod: WorkerPod, new_bucket: Callable[..., str], volume: Path
) -> None:
    """Files are read in place. The same files again are not read at all."""
    store = new_bucket(versioned=False)
    report = pod.run("snapshot", probe_task(pod, None, store)).report
    assert (report["objects"], report["bytes"], report["rows"], report["versioned"]) == (2, 2 * len(DATA), 4, False)
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert report["objectVersions"][1] == {
        "key": "deep/b.csv",
        "versionId": "sha256",
        "size": len(DATA),
        "etag": sha256,
    }
    lines = b"".join(f"{key}\0sha256\0{len(DATA)}\0{sha256}\n".encode() for key in ("a.csv", "deep/b.csv"))
    assert report["digest"] == "sha256:" + hashlib.sha256(lines).hexdigest()
    assert sorted(os.listdir(volume)) == ["a.csv", "deep"]

    known = {"knownDigests": [report["digest"]], "knownToken": report["changeToken"], "settleSeconds": 600}
    again = pod.run("snapshot", probe_task(pod, None, store, **known)).report
    assert (again["unchanged"], again["digest"]) == (True, report["digest"])
    assert again["changeToken"] == report["changeToken"]

    os.utime(volume / "a.csv")
    touched = pod.run("snapshot", probe_task(pod, None, store, **{**known, "settleSeconds": 0})).report
    assert (touched["unchanged"], touched["digest"]) == (True, report["digest"])
    assert touched["changeToken"] != report["changeToken"]


def test_a_volume_without_files_is_an_empty_source(
    pod: WorkerPod, new_bucket: Callable[..., str], volume: Path
) -> None:
    """The message says which field may be wrong."""
    for file in (volume / "a.csv", volume / "deep/b.csv"):
        file.unlink()
    outcome = pod.run("snapshot", probe_task(pod, None, new_bucket()))
    assert outcome.failure == (42, "EmptyPrefix")
    assert "source.pvc.path" in outcome.report["failure"]["message"]


def fetch_from_volume(pod: WorkerPod, store: str, snapshot: Json, volume: Path) -> Json:
    """Mount the volume for a trainer, and build the task that verifies the snapshot there."""
    mounted = pod.root / "ml/input/data/train"
    mounted.parent.mkdir(parents=True)
    mounted.symlink_to(volume)
    return {
        "store": pod.place(store, "ops"),
        "datasets": [{"name": "train", **{key: snapshot[key] for key in ("digest", "manifest", "objects")}}],
        "hyperparameters": {},
        "checkpoints": f"s3://{store}/checkpoints/",
    }


def test_a_volume_with_the_pinned_files_and_a_new_file_is_accepted(
    pod: WorkerPod, new_bucket: Callable[..., str], volume: Path
) -> None:
    store = new_bucket(versioned=False)
    snapshot = pod.run("snapshot", probe_task(pod, None, store)).report
    (volume / "new.csv").touch()
    outcome = pod.run("fetch", fetch_from_volume(pod, store, snapshot, volume))
    assert (outcome.exit_code, outcome.report) == (0, {"objects": 2, "bytes": 2 * len(DATA)})


@pytest.mark.parametrize(
    "change",
    ["overwritten with the same size", "overwritten with more bytes", "deleted", "replaced by a link to outside"],
)
def test_a_volume_with_a_changed_file_is_refused(
    pod: WorkerPod, new_bucket: Callable[..., str], volume: Path, change: str
) -> None:
    """A trainer reads the pinned files from a volume, or does not start."""
    store = new_bucket(versioned=False)
    snapshot = pod.run("snapshot", probe_task(pod, None, store)).report
    (volume / "new.csv").touch()
    file = volume / "deep/b.csv"
    if change == "overwritten with the same size":
        file.write_bytes(DATA.replace(b"no", b"on"))
    elif change == "overwritten with more bytes":
        file.write_bytes(DATA * 2)
    else:
        file.unlink()
    if change == "replaced by a link to outside":
        (pod.root / "beside").write_bytes(DATA)
        file.symlink_to(pod.root / "beside")
    outcome = pod.run("fetch", fetch_from_volume(pod, store, snapshot, volume))
    assert outcome.failure == (42, "PinnedVersionMissing")
    assert '"deep/b.csv"' in outcome.report["failure"]["message"]
    assert "take a new snapshot" in outcome.report["failure"]["message"]
