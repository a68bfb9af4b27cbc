"""Snapshots that look by themselves, and snapshots of volumes, from the worker's first look to a trainer's files."""

import hashlib
import os
import threading
import time

import pytest

DATA = b"dir,black\n0.2,no\n0.3,yes\n"


def survey_task(pod, source: dict | None, store: str, **survey) -> dict:
    task = {"store": pod.place(store, "ops"), "probe": {"settleSeconds": 0.1, **survey}, "format": {"type": "csv"}}
    return task if source is None else {**task, "source": source}


@pytest.fixture
def volume(pod):
    """The volume that a Job finds."""
    root = pod.root / "volume"
    (root / "deep").mkdir(parents=True)
    (root / "a.csv").write_bytes(DATA)
    (root / "deep/b.csv").write_bytes(DATA)
    pod.environment["MODELOPS_VOLUME_DIR"] = str(root)
    return root


def test_a_survey_of_a_bucket(pod, client, new_bucket):
    """A Job that looks itself takes what is new, and says so without reading it when nothing is."""
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/a.csv", Body=DATA)
    place = pod.place(source, "in/")
    taken = pod.run("snapshot", survey_task(pod, place, store, knownDigests=["sha256:" + "0" * 64])).report
    assert (taken["rows"], taken["objects"], taken["unchanged"]) == (2, 1, False)
    assert taken["newest"].endswith("Z")
    again = pod.run("snapshot", survey_task(pod, place, store, knownDigests=[taken["digest"]], settleSeconds=600))
    assert (again.exit_code, again.report["unchanged"], again.report["digest"]) == (0, True, taken["digest"])
    assert (again.report["objects"], again.report["bytes"]) == (1, len(DATA))
    assert "manifest" not in again.report


def test_a_survey_waits_for_an_upload(pod, client, new_bucket):
    """What is still being uploaded is not half a snapshot."""
    source, store = new_bucket(), new_bucket(versioned=False)
    client.put_object(Bucket=source, Key="in/0.csv", Body=DATA)
    ended = threading.Event()

    def upload() -> None:
        for number in range(1, 8):
            time.sleep(0.3)
            client.put_object(Bucket=source, Key=f"in/{number}.csv", Body=DATA)
        ended.set()

    threading.Thread(target=upload).start()
    report = pod.run("snapshot", survey_task(pod, pod.place(source, "in/"), store, settleSeconds=1.0)).report
    assert ended.is_set()
    assert (report["objects"], report["rows"]) == (8, 16)


def test_a_snapshot_of_a_volume(pod, client, new_bucket, volume):
    """A volume's files are pinned by their content and read in place; the same ones again are not read at all."""
    store = new_bucket(versioned=False)
    report = pod.run("snapshot", survey_task(pod, None, store)).report
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
    again = pod.run("snapshot", survey_task(pod, None, store, **known)).report
    assert (again["unchanged"], again["digest"]) == (True, report["digest"])
    assert again["changeToken"] == report["changeToken"]

    os.utime(volume / "a.csv")
    touched = pod.run("snapshot", survey_task(pod, None, store, **{**known, "settleSeconds": 0})).report
    assert (touched["unchanged"], touched["digest"]) == (True, report["digest"])
    assert touched["changeToken"] != report["changeToken"]


def test_an_empty_volume(pod, new_bucket, volume):
    """A volume without a file is no snapshot, and the message says where to put one."""
    for file in (volume / "a.csv", volume / "deep/b.csv"):
        file.unlink()
    done = pod.run("snapshot", survey_task(pod, None, new_bucket()))
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "EmptyPrefix")
    assert "source.pvc.path" in done.report["failure"]["message"]


@pytest.mark.parametrize("harm", ["none", "same size", "longer", "gone", "a link out"])
def test_a_volume_is_verified_before_a_training(pod, client, new_bucket, volume, harm):
    """A trainer that reads a volume reads what was pinned, or does not start."""
    store = new_bucket(versioned=False)
    report = pod.run("snapshot", survey_task(pod, None, store)).report
    mounted = pod.root / "ml/input/data/train"
    mounted.parent.mkdir(parents=True)
    mounted.symlink_to(volume)
    (volume / "new.csv").touch()
    file = volume / "deep/b.csv"
    if harm == "same size":
        file.write_bytes(DATA.replace(b"no", b"on"))
    elif harm == "longer":
        file.write_bytes(DATA * 2)
    elif harm != "none":
        file.unlink()
    if harm == "a link out":
        (pod.root / "beside").write_bytes(DATA)
        file.symlink_to(pod.root / "beside")
    task = {
        "store": pod.place(store, "ops"),
        "datasets": [{"name": "train", "digest": report["digest"], "manifest": report["manifest"]}],
        "hyperparameters": {},
        "checkpoints": f"s3://{store}/checkpoints/",
    }
    done = pod.run("fetch", task)
    if harm == "none":
        assert (done.exit_code, done.report) == (0, {"objects": 2, "bytes": 2 * len(DATA)})
        return
    assert (done.exit_code, done.report["failure"]["reason"]) == (42, "PinnedVersionMissing")
    assert '"deep/b.csv"' in done.report["failure"]["message"]
    assert "take a new snapshot" in done.report["failure"]["message"]
