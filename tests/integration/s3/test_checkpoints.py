"""Checkpoints in a real S3: what one attempt saves, the next attempt finds, whatever happens in between."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from modelops.api.checkpoints import Checkpoint, newest_checkpoints
from modelops.api.contract.tasks import S3Place
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.fetching import fetch
from modelops.store.layout import Location
from modelops.store.listing import list_current
from modelops.worker.checkpoints import restore as restoring
from modelops.worker.checkpoints import session, sync
from modelops.worker.checkpoints.manifests import MAX_MANIFEST_BYTES, RankFolder, Restored
from modelops.worker.checkpoints.restore import restore
from modelops.worker.checkpoints.sync import CheckpointSync, TrainerState
from support import s3_server
from support.builders.common import digest

PREFIX = "ops/runs/one/"
PIN = Checkpoint(rank=0, manifest=f"{9:016}", digest=digest("a"))


class Store:
    """Checkpoints of one run, in a bucket of the test's own."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.run = Location(bucket, PREFIX)
        self.pins: list[Checkpoint] = []
        """What the operator knows from the reports of all sidecars."""

    def sync(self, root: Path, rank: int = 0, restored: Restored | None = None) -> CheckpointSync:
        """Return the CheckpointSync of a rank's sidecar."""
        return self.sync_by(lambda: self.client, root, rank, restored)

    def sync_by(
        self, connect: Callable[[], Any], root: Path, rank: int = 0, restored: Restored | None = None
    ) -> CheckpointSync:
        """Return the CheckpointSync of a rank's sidecar with another client."""
        folder = RankFolder(self.run, rank)
        return CheckpointSync(root, folder, connect, restored, pinned=lambda: self.pins, on_saved=self.report)

    def report(self, checkpoint: Checkpoint) -> None:
        """Pin a checkpoint, as the operator does once a sidecar has reported it."""
        self.pins = newest_checkpoints(self.pins, [checkpoint])

    def restore(self, root: Path) -> Restored:
        """Restore into a directory, as `fetch` does."""
        return restore(lambda: self.client, self.run, root, self.pins)

    def keys(self, kind: str = "") -> list[str]:
        """Return the keys of `objects`, of `json` manifests, or all, relative to the run's prefix."""
        objects = list_current(self.client, self.run.bucket, PREFIX).objects
        return sorted(key for pinned in objects if kind in (key := pinned.key.removeprefix(PREFIX)))


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def store(request: pytest.FixtureRequest, client: Any, new_bucket: Callable[..., str]) -> Store:
    return Store(client, new_bucket(versioned=request.param))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the trainer's checkpoint directory."""
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


@pytest.fixture
def new_directory(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that returns a new directory for each later attempt."""
    made = iter(range(100))
    return lambda: tmp_path / f"attempt-{next(made)}"


def write(root: Path, **files: bytes | str) -> None:
    for name, content in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def content(root: Path) -> dict[str, str]:
    return {file.relative_to(root).as_posix(): file.read_text() for file in root.rglob("*") if file.is_file()}


def scan_twice(checkpoint_sync: CheckpointSync) -> bool:
    """Save the files that do not change between two scans. Return True if something was written."""
    return checkpoint_sync.sync(TrainerState.RUNS) or checkpoint_sync.sync(TrainerState.RUNS)


def save_twice(store: Store, root: Path) -> None:
    """Save a checkpoint with the model "1", and then another one with the model "2"."""
    checkpoint_sync = store.sync(root)
    for number in ("1", "2"):
        write(root, model=number)
        assert scan_twice(checkpoint_sync)


def test_the_next_attempt_finds_what_one_attempt_saved(
    store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """Names, bytes, permissions, times and links are as the trainer left them, and nothing else is in the directory."""
    write(root, step_1__model="weights", step_1__same="weights", state="é", empty="")
    (root / "state").chmod(0o640)
    (root / "step_1" / "last").symlink_to("model")
    (root / "out").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    os.utime(root / "state", ns=(1, 1_600_000_000_123_456_789))
    assert scan_twice(store.sync(root))
    assert len(store.keys("objects")) == 3, "the same bytes are stored once"
    again = new_directory()
    store.restore(again)
    assert content(again) == {
        "step_1/model": "weights", "step_1/same": "weights", "step_1/last": "weights", "state": "é", "empty": ""
    }  # fmt: skip
    assert os.readlink(again / "step_1" / "last") == "model"
    assert sorted(path.name for path in again.iterdir()) == ["empty", "state", "step_1"]
    seen = (again / "state").stat()
    assert (seen.st_mode & 0o777, seen.st_mtime_ns) == (0o640, 1_600_000_000_123_456_789)


def test_nothing_is_written_while_nothing_changes(store: Store, root: Path, new_directory: Callable[[], Path]) -> None:
    """A directory without changes costs no objects, also after it was restored or rewritten with the same bytes."""
    checkpoint_sync = store.sync(root)
    assert not scan_twice(checkpoint_sync)
    assert store.keys() == []
    write(root, a="1")
    assert scan_twice(checkpoint_sync)
    before = store.keys()
    assert not scan_twice(checkpoint_sync)
    write(root, a="1")
    assert not scan_twice(checkpoint_sync)
    again = new_directory()
    restored = store.restore(again)
    assert not scan_twice(store.sync(again, restored=restored))
    assert store.keys() == before


def test_a_file_that_is_being_written_is_not_saved(store: Store, root: Path, new_directory: Callable[[], Path]) -> None:
    """Files of one checkpoint are saved together.

    A file that changes all the time delays the others by a few scans only, and stays as it was last saved.
    """
    write(root, log="1", model="1")
    checkpoint_sync = store.sync(root)
    assert scan_twice(checkpoint_sync)
    write(root, model="2")
    saved = []
    for number in range(4):
        write(root, log="1" * (number + 2))
        saved.append(checkpoint_sync.sync(TrainerState.RUNS))
    assert saved == [False, False, False, True]
    again = new_directory()
    store.restore(again)
    assert content(again) == {"log": "1", "model": "2"}


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        pytest.param(
            TrainerState.ENDED, {"new": "half of it", "cut": "half", "kept": "2"}, id="a trainer that ended by itself"
        ),
        pytest.param(TrainerState.MAY_WRITE, {"old": "1", "kept": "2"}, id="a trainer that was killed"),
    ],
)
def test_the_last_scan_saves_what_is_complete(
    store: Store, root: Path, new_directory: Callable[[], Path], trainer: TrainerState, expected: dict[str, str]
) -> None:
    """A trainer that ended by itself has completed all of its files.

    A killed one may have been in the middle of the newest: these are not saved, even if they do not change any more,
    and the files that it deleted to make room for them are kept.
    """
    write(root, old="1", kept="1")
    checkpoint_sync = store.sync(root)
    assert scan_twice(checkpoint_sync)
    write(root, kept="2", cut="half", new="half")
    os.utime(root / "kept", ns=(1, time.time_ns() - 5_000_000_000))
    checkpoint_sync.sync(TrainerState.RUNS)
    (root / "old").unlink()
    write(root, new="half of it")
    assert checkpoint_sync.sync(trainer)
    again = new_directory()
    store.restore(again)
    assert content(again) == expected


def test_the_last_scan_counts_however_long_the_store_is_unreachable(
    store: Store, root: Path, new_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written file does not become complete by not changing while the sidecar waits for the store."""
    away = make_client(S3Place(bucket="-", endpoint="http://127.0.0.1:9"), Credentials("a", "b"), attempts=1)
    clients = [away, store.client]
    write(root, first="1", cut="half")
    os.utime(root / "first", ns=(1, 1))
    checkpoint_sync = store.sync_by(lambda: clients.pop(0), root)
    checkpoint_sync.sync(TrainerState.RUNS)
    with pytest.raises(S3Error):
        checkpoint_sync.sync(TrainerState.MAY_WRITE)
    monkeypatch.setattr(sync, "_QUIET_NANOSECONDS", 0)
    assert checkpoint_sync.sync(TrainerState.MAY_WRITE)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"first": "1"}


def test_old_checkpoints_are_deleted(store: Store, root: Path) -> None:
    """A long training needs the space of its last two checkpoints only, in a bucket with versioning too."""
    checkpoint_sync = store.sync(root)
    for number in range(6):
        write(root, model=f"{number}" * 10, kept="same")
        assert scan_twice(checkpoint_sync)
    assert len(store.keys("json")) == 2
    names = {
        f"rank-0/objects/sha256-{hashlib.sha256(text.encode()).hexdigest()}" for text in ("4" * 10, "5" * 10, "same")
    }
    assert set(store.keys("objects")) == names
    listed = store.client.list_object_versions(Bucket=store.run.bucket, Prefix=PREFIX)
    assert len(listed.get("Versions", ())) == 5
    assert not listed.get("DeleteMarkers")


def test_a_file_that_the_trainer_deleted_is_not_restored(
    store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """The directory is restored as it was last, not as the sum of all files that it ever had."""
    checkpoint_sync = store.sync(root)
    write(root, a="1", b="1")
    assert scan_twice(checkpoint_sync)
    (root / "a").unlink()
    assert scan_twice(checkpoint_sync)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"b": "1"}


def test_a_large_file_is_uploaded_in_parts(
    store: Store, root: Path, new_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of gigabytes needs the memory of one part. A file that changes during the upload is not stored."""
    monkeypatch.setattr(sync, "PART_BYTES", 5 << 20)
    write(root, model=os.urandom(11 << 20))
    checkpoint_sync = store.sync(root)
    checkpoint_sync.sync(TrainerState.RUNS)
    real, parts = CheckpointSync._raise_if_abandoned, []

    def changing(self: CheckpointSync) -> None:
        real(self)
        parts.append(1)
        if len(parts) == 13:  # Eleven reads for the SHA-256, then the parts.
            with (root / "model").open("r+b") as file:
                file.seek(10 << 20)
                file.write(b"changed")

    monkeypatch.setattr(CheckpointSync, "_raise_if_abandoned", changing)
    assert not checkpoint_sync.sync(TrainerState.RUNS)
    assert store.keys() == []
    assert not store.client.list_multipart_uploads(Bucket=store.run.bucket).get("Uploads")
    assert scan_twice(checkpoint_sync)
    again = new_directory()
    store.restore(again)
    assert (again / "model").read_bytes() == (root / "model").read_bytes()


def test_incomplete_uploads_of_a_killed_sidecar_are_aborted(store: Store, root: Path) -> None:
    """Parts of an upload that is never completed cost space, and no listing shows them."""
    name = {"Bucket": store.run.bucket, "Key": f"{PREFIX}rank-0/objects/sha256-{'0' * 64}"}
    store.client.create_multipart_upload(**name)
    other = store.client.create_multipart_upload(Bucket=store.run.bucket, Key=f"{PREFIX}rank-1/objects/x")
    write(root, a="1")
    assert scan_twice(store.sync(root))
    (left,) = store.client.list_multipart_uploads(Bucket=store.run.bucket)["Uploads"]
    assert left["UploadId"] == other["UploadId"]


def test_checkpoints_are_saved_without_the_right_to_delete(
    store: Store, s3: s3_server.Seaweed, root: Path, new_directory: Callable[[], Path]
) -> None:
    """Credentials that may neither delete objects nor list uploads save every checkpoint, and keep the old ones too."""

    def refuse(model: Any, **_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, model.name)

    client = make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    )
    for operation in ("ListMultipartUploads", "DeleteObject"):
        client.meta.events.register(f"before-call.s3.{operation}", refuse)
    checkpoint_sync = store.sync_by(lambda: client, root)
    for number in range(4):
        write(root, model=f"{number}")
        assert scan_twice(checkpoint_sync)
    assert len(store.keys("json")) == 4
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "3"}


def damage(store: Store, kind: str) -> None:
    """Break the newest checkpoint in one way."""
    newest = PREFIX + store.keys("json")[-1]
    body = json.loads(store.client.get_object(Bucket=store.run.bucket, Key=newest)["Body"].read())
    model = next(file for file in body["files"] if file["path"] == "model")
    name = {"Bucket": store.run.bucket, "Key": f"{PREFIX}rank-0/objects/sha256-{model['sha256']}"}
    if kind == "a content was deleted":
        store.client.delete_object(**name)
    elif kind == "a content has another size":
        store.client.put_object(**name, Body=b"3")
    elif kind == "a content has other bytes":
        store.client.put_object(**name, Body=b"x" * model["size"])
    elif kind == "the manifest is not JSON":
        store.client.put_object(Bucket=store.run.bucket, Key=newest, Body=b'{"files": [')
    else:
        model["path"] = "../outside"
        store.client.put_object(Bucket=store.run.bucket, Key=newest, Body=json.dumps(body).encode())


DAMAGES = (
    "a content was deleted",
    "a content has another size",
    "a content has other bytes",
    "the manifest is not JSON",
    "a path leads out of the directory",
)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_broken_checkpoint_is_not_restored(
    store: Store, root: Path, new_directory: Callable[[], Path], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The checkpoint before is restored. If that is broken too, the trainer starts from the beginning; no run fails."""
    caplog.set_level(logging.INFO)
    checkpoint_sync = store.sync(root)
    for text in ("first", "second"):
        write(root, model=text, other=text)
        assert scan_twice(checkpoint_sync)
    damage(store, kind)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "first", "other": "first"}
    assert "cannot be used" in caplog.text
    for key in store.keys("objects"):
        store.client.put_object(Bucket=store.run.bucket, Key=PREFIX + key, Body=b"xxxxx")
    empty = new_directory()
    restored = store.restore(empty)
    assert content(empty) == {}
    assert restored.unusable
    assert "the trainer starts from the beginning" in caplog.text


def test_an_unusable_checkpoint_is_never_restored_later(
    store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """A trainer that started from the beginning never gets the old checkpoints back, even if they are repaired."""
    write(root, model="1")
    assert scan_twice(store.sync(root))
    (key,) = store.keys("objects")
    store.client.delete_object(Bucket=store.run.bucket, Key=PREFIX + key)
    again = new_directory()
    restored = store.restore(again)
    scan_twice(store.sync(again, restored=restored))
    store.client.put_object(Bucket=store.run.bucket, Key=PREFIX + key, Body=b"1")
    later = new_directory()
    assert not store.restore(later).unusable
    assert content(later) == {}


def plant(store: Store, milliseconds: int) -> str:
    """Write a whole checkpoint that no sidecar has saved, and return the key of its manifest."""
    folder, content = RankFolder(store.run, 0), b"planted"
    sha256 = hashlib.sha256(content).hexdigest()
    file = {"path": "model", "size": len(content), "sha256": sha256, "mode": 0o644}
    manifest = json.dumps({"files": [{**file, "modified": 1}]}).encode()
    key = folder.manifest_key(milliseconds)
    bodies = {folder.object_key(sha256): content, key: manifest}
    for name, body in bodies.items():
        store.client.put_object(Bucket=store.run.bucket, Key=name, Body=body)
    return key


@pytest.mark.parametrize("saved", [True, False])
def test_a_planted_checkpoint_is_not_restored(
    store: Store, root: Path, new_directory: Callable[[], Path], saved: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever else can write to the store gives the trainer no bytes: most libraries run code that they load."""
    if saved:
        write(root, model="1")
        assert scan_twice(store.sync(root))
    plant(store, time.time_ns() // 1_000_000 + 3_600_000)
    again = new_directory()
    assert not store.restore(again).unusable
    assert content(again) == ({"model": "1"} if saved else {})
    assert "1 checkpoints in the store are left out: no sidecar has reported them to the operator" in caplog.text


def test_a_pinned_manifest_that_was_replaced_is_not_restored(
    store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """The digest decides, not the name: the checkpoint before is restored."""
    save_twice(store, root)
    plant(store, int(store.pins[0].manifest))
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "1"}


def test_a_manifest_that_is_too_large_is_neither_saved_nor_downloaded(
    store: Store,
    root: Path,
    new_directory: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its digest is known only once it is on disk, which a manifest without an end would fill."""
    save_twice(store, root)
    newest = PREFIX + store.keys("json")[-1]
    store.client.put_object(Bucket=store.run.bucket, Key=newest, Body=b" " * (MAX_MANIFEST_BYTES + 1))
    written: list[int] = []

    def measured(client: Any, bucket: str, key: str, target: Path, *, max_bytes: int) -> str:
        try:
            return fetch(client, bucket, key, target, max_bytes=max_bytes)
        finally:
            written.append(target.stat().st_size)

    monkeypatch.setattr(sync, "fetch", measured)
    again = new_directory()
    restored = store.restore(again)
    assert content(again) == {"model": "1"}
    assert len(written) == 2
    assert max(written) < 1000

    monkeypatch.setattr(sync, "MAX_MANIFEST_BYTES", 10)
    before = store.keys("json")
    write(again, model="3")
    assert not scan_twice(store.sync(again, restored=restored))
    assert store.keys("json") == before
    assert "checkpoints of 1 files are too many to be saved" in caplog.text


def test_a_content_that_grows_after_the_listing_is_not_downloaded(
    store: Store,
    root: Path,
    new_directory: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The checkpoint before is restored."""
    save_twice(store, root)
    key = f"{PREFIX}rank-0/objects/sha256-{hashlib.sha256(b'2').hexdigest()}"
    list_all = restoring._list

    def then_write(client: Any, run: Location) -> Any:
        listed = list_all(client, run)
        store.client.put_object(Bucket=run.bucket, Key=key, Body=b"2" * 100)
        return listed

    monkeypatch.setattr(restoring, "_list", then_write)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "1"}
    assert "the content of model was altered (it has more than its 1 bytes)" in caplog.text


def test_a_manifest_that_was_deleted_is_not_requested(
    store: Store, root: Path, new_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS answers 403 in place of 404 to credentials that may list some prefixes only: the run would begin afresh."""
    save_twice(store, root)
    newest = PREFIX + store.keys("json")[-1]
    store.client.delete_object(Bucket=store.run.bucket, Key=newest)

    def hides(client: Any, bucket: str, key: str, target: Path, *, max_bytes: int) -> str:
        assert key != newest
        return fetch(client, bucket, key, target, max_bytes=max_bytes)

    monkeypatch.setattr(sync, "fetch", hides)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "1"}


def test_a_planted_manifest_of_the_far_future_does_not_end_the_order(
    store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """What the trainer saves later is restored, and the planted objects are deleted."""
    plant(store, 9_999_999_999_999_999)
    write(root, model="1")
    assert scan_twice(store.sync(root))
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "1"}
    assert store.keys("json") == [f"rank-0/{store.pins[0].manifest}.json"]


def test_the_newest_pinned_checkpoint_outlives_newer_ones_that_were_not_reported(
    store: Store, root: Path, new_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the operator is away, the checkpoint that it knows stays, so that a Pod can be lost then too."""
    write(root, model="known")
    checkpoint_sync = store.sync(root)
    assert scan_twice(checkpoint_sync)
    monkeypatch.setattr(checkpoint_sync, "_on_saved", lambda checkpoint: None)
    for number in range(4):
        write(root, model=f"{number}")
        assert scan_twice(checkpoint_sync)
    assert len(store.keys("json")) == 3
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "known"}


def test_a_node_whose_clock_is_behind_saves_the_newest_manifest(
    store: Store, root: Path, new_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoints of the latest attempt are restored, whatever its node's clock shows."""
    checkpoint_sync = store.sync(root)
    write(root, model="1")
    assert scan_twice(checkpoint_sync)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    write(root, model="2")
    assert scan_twice(store.sync(root))
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "2"}


def test_every_rank_gets_the_checkpoints_of_all_ranks(
    store: Store, tmp_path: Path, new_directory: Callable[[], Path]
) -> None:
    """Sharded checkpoints are restored in full; where two ranks have the same path, the lower rank's file wins.

    No rank stores or deletes a file that another rank has stored.
    """
    roots = [tmp_path / "0", tmp_path / "1"]
    for rank, root in enumerate(roots):
        write(root, **{f"shard_{rank}": f"of {rank}", "same": f"of {rank}", f"d{rank}": "file", f"d{1 - rank}__x": "x"})
        assert scan_twice(store.sync(root, rank))
    merged = new_directory()
    restored = store.restore(merged)
    assert content(merged) == {"shard_0": "of 0", "shard_1": "of 1", "same": "of 0", "d0": "file", "d1/x": "x"}
    before = store.keys()
    syncs = [store.sync(merged, rank, restored) for rank in (0, 1)]
    assert [scan_twice(checkpoint_sync) for checkpoint_sync in syncs] == [False, False]
    assert store.keys() == before
    # A file that a rank writes to becomes that rank's own.
    write(merged, shard_0="by 1")
    assert scan_twice(syncs[1])
    again = new_directory()
    store.restore(again)
    assert content(again)["shard_0"] == "of 0"
    assert len([key for key in store.keys("json") if key.startswith("rank-1/")]) == 2
    assert set(before) <= set(store.keys())


def test_one_broken_rank_makes_all_ranks_start_from_the_beginning(
    store: Store, tmp_path: Path, new_directory: Callable[[], Path]
) -> None:
    """Half of a sharded checkpoint would be worse than no checkpoint."""
    for rank in (0, 1):
        write(tmp_path / str(rank), **{f"shard_{rank}": f"{rank}"})
        assert scan_twice(store.sync(tmp_path / str(rank), rank))
    (key,) = (key for key in store.keys("objects") if key.startswith("rank-1/"))
    store.client.delete_object(Bucket=store.run.bucket, Key=PREFIX + key)
    again = new_directory()
    assert store.restore(again).unusable
    assert content(again) == {}


def test_an_unreachable_store_is_tried_again(
    s3: s3_server.Seaweed, store: Store, root: Path, new_directory: Callable[[], Path]
) -> None:
    """An outage costs nothing but time, and credentials that were replaced meanwhile are used."""
    place = S3Place(bucket="-", endpoint="http://127.0.0.1:9")
    away = make_client(place, Credentials("a", "b"), attempts=1)
    clients = [away, away, store.client]
    write(root, model="1")
    checkpoint_sync = store.sync_by(lambda: clients.pop(0), root)
    checkpoint_sync.sync(TrainerState.RUNS)
    for _ in range(2):
        with pytest.raises(S3Error):
            checkpoint_sync.sync(TrainerState.RUNS)
    assert checkpoint_sync.sync(TrainerState.RUNS)
    checkpoint_sync._client, clients = away, [store.client]
    write(root, model="2")
    with pytest.raises(S3Error):
        scan_twice(checkpoint_sync)
    assert checkpoint_sync.sync(TrainerState.RUNS)
    again = new_directory()
    store.restore(again)
    assert content(again) == {"model": "2"}


def test_a_store_that_denies_access_does_not_stop_the_trainer(
    s3: s3_server.Seaweed, new_bucket: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the right to list, or without the bucket, nothing is restored, and the trainer runs."""
    reader = make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.READER_KEY, s3_server.READER_SECRET)
    )
    for bucket in (new_bucket(), "no-such-bucket"):
        assert not restore(lambda: reader, Location(bucket, PREFIX), tmp_path / "c", [PIN]).by_rank
    assert caplog.text.count("the trainer starts from the beginning") == 2


def test_after_success_all_checkpoints_are_deleted(store: Store, root: Path) -> None:
    """Everything below the run's prefix is deleted, and nothing beside it."""
    store.client.put_object(Bucket=store.run.bucket, Key="ops/runs/one-more/x", Body=b"x")
    for rank in (0, 1):
        write(root, model=f"{rank}")
        assert scan_twice(store.sync(root, rank))
    store.client.create_multipart_upload(Bucket=store.run.bucket, Key=f"{PREFIX}rank-1/objects/x")
    assert session.delete_all(store.client, store.run) == 4
    assert store.keys() == []
    assert not store.client.list_multipart_uploads(Bucket=store.run.bucket).get("Uploads")
    assert len(store.client.list_objects_v2(Bucket=store.run.bucket)["Contents"]) == 1


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket//", "s3://bucket/runs/one", "/runs/one/"])
def test_only_a_prefix_of_the_runs_own_is_accepted(uri: str) -> None:
    """A mistake in a task cannot delete the content of a bucket."""
    with pytest.raises(Exception, match="checkpoints: "):
        session.location_of(uri)
