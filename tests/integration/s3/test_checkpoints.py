"""Checkpoints against a real S3: what one attempt keeps, the next one finds, whatever happens in between."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from modelops.api.contract.tasks import S3Place
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.errors import S3Error
from modelops.store.layout import Location
from modelops.store.listing import list_current
from modelops.worker.checkpoints import session, sync
from modelops.worker.checkpoints.manifests import RankPlace, Restored
from modelops.worker.checkpoints.restore import restore
from modelops.worker.checkpoints.sync import Keeper, Trainer
from support import s3_server

PREFIX = "ops/runs/one/"


class Store:
    """A run's checkpoints in a bucket of the test's own."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.run = Location(bucket, PREFIX)

    def keeper(self, root: Path, rank: int = 0, restored: Restored | None = None) -> Keeper:
        """A sidecar's part of it."""
        return Keeper(root, RankPlace(self.run, rank), lambda: self.client, restored)

    def restored(self, root: Path) -> Restored:
        """What fetch does."""
        return restore(lambda: self.client, self.run, root)

    def keys(self, kind: str = "") -> list[str]:
        """What is there: `objects`, `json`, or all of it."""
        objects = list_current(self.client, self.run.bucket, PREFIX).objects
        return sorted(key for one in objects if kind in (key := one.key.removeprefix(PREFIX)))


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def store(request: pytest.FixtureRequest, client: Any, new_bucket: Callable[..., str]) -> Store:
    return Store(client, new_bucket(versioned=request.param))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The trainer's directory."""
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Path]:
    """Makes directories for the attempts after."""
    made = iter(range(100))
    return lambda: tmp_path / f"attempt-{next(made)}"


def write(root: Path, **files: bytes | str) -> None:
    for name, content in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def content(root: Path) -> dict[str, str]:
    return {file.relative_to(root).as_posix(): file.read_text() for file in root.rglob("*") if file.is_file()}


def settled(keeper: Keeper) -> bool:
    """Two looks, as the sidecar takes them: what holds still between them is kept."""
    return keeper.sync(Trainer.RUNS) or keeper.sync(Trainer.RUNS)


def test_what_one_attempt_keeps_the_next_one_finds(store: Store, root: Path, fresh) -> None:
    """Names, bytes, permissions, times and links are as the trainer left them; nothing else is in the directory."""
    write(root, step_1__model="weights", step_1__same="weights", state="é", empty="")
    (root / "state").chmod(0o640)
    (root / "step_1" / "last").symlink_to("model")
    (root / "out").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    os.utime(root / "state", ns=(1, 1_600_000_000_123_456_789))
    assert settled(store.keeper(root))
    assert len(store.keys("objects")) == 3, "the same bytes are stored once"
    again = fresh()
    store.restored(again)
    assert content(again) == {
        "step_1/model": "weights", "step_1/same": "weights", "step_1/last": "weights", "state": "é", "empty": ""
    }  # fmt: skip
    assert os.readlink(again / "step_1" / "last") == "model"
    assert sorted(path.name for path in again.iterdir()) == ["empty", "state", "step_1"]
    seen = (again / "state").stat()
    assert (seen.st_mode & 0o777, seen.st_mtime_ns) == (0o640, 1_600_000_000_123_456_789)


def test_only_changes_are_written(store: Store, root: Path, fresh) -> None:
    """A quiet directory costs no request, one that was restored and one that was rewritten as it was neither."""
    keeper = store.keeper(root)
    assert not settled(keeper)
    assert store.keys() == []
    write(root, a="1")
    assert settled(keeper)
    before = store.keys()
    assert not settled(keeper)
    write(root, a="1")
    assert not settled(keeper)
    again = fresh()
    restored = store.restored(again)
    assert not settled(store.keeper(again, restored=restored))
    assert store.keys() == before


def test_half_written_files_are_not_taken(store: Store, root: Path, fresh) -> None:
    """Files that belong together are taken together; one that is written all the time holds up the others only so long,
    and stays as it was when it last held still.
    """
    write(root, log="1", model="1")
    keeper = store.keeper(root)
    assert settled(keeper)
    write(root, model="2")
    taken = []
    for number in range(4):
        write(root, log="1" * (number + 2))
        taken.append(keeper.sync(Trainer.RUNS))
    assert taken == [False, False, False, True]
    again = fresh()
    store.restored(again)
    assert content(again) == {"log": "1", "model": "2"}


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        (Trainer.ENDED, {"new": "half of it", "cut": "half", "kept": "2"}),
        (Trainer.MAY_WRITE, {"old": "1", "kept": "2"}),
    ],
)
def test_the_last_look(store: Store, root: Path, fresh, trainer: Trainer, expected: dict[str, str]) -> None:
    """A trainer that ended has written what it wanted. From one that was killed nothing is taken that was written right
    before, even if it holds still since; and what it deleted to make room for that stays.
    """
    write(root, old="1", kept="1")
    keeper = store.keeper(root)
    assert settled(keeper)
    write(root, kept="2", cut="half", new="half")
    os.utime(root / "kept", ns=(1, time.time_ns() - 5_000_000_000))
    keeper.sync(Trainer.RUNS)
    (root / "old").unlink()
    write(root, new="half of it")
    assert keeper.sync(trainer)
    again = fresh()
    store.restored(again)
    assert content(again) == expected


def test_the_last_look_counts_however_long_the_store_is_away(store: Store, root: Path, fresh, monkeypatch) -> None:
    """What a killed trainer left half written is not taken for whole because it has held still since."""
    away = make_client(S3Place(bucket="-", endpoint="http://127.0.0.1:9"), Credentials("a", "b"), attempts=1)
    clients = [away, store.client]
    write(root, first="1", cut="half")
    os.utime(root / "first", ns=(1, 1))
    keeper = Keeper(root, RankPlace(store.run, 0), lambda: clients.pop(0))
    keeper.sync(Trainer.RUNS)
    with pytest.raises(S3Error):
        keeper.sync(Trainer.MAY_WRITE)
    monkeypatch.setattr(sync, "_QUIET_NANOSECONDS", 0)
    assert keeper.sync(Trainer.MAY_WRITE)
    again = fresh()
    store.restored(again)
    assert content(again) == {"first": "1"}


def test_what_is_not_needed_is_deleted(store: Store, root: Path) -> None:
    """A long training needs the space of its last two checkpoints, not of all; versions do not keep the rest either."""
    keeper = store.keeper(root)
    for number in range(6):
        write(root, model=f"{number}" * 10, kept="same")
        assert settled(keeper)
    assert len(store.keys("json")) == 2
    names = {
        f"rank-0/objects/sha256-{hashlib.sha256(text.encode()).hexdigest()}" for text in ("4" * 10, "5" * 10, "same")
    }
    assert set(store.keys("objects")) == names
    listed = store.client.list_object_versions(Bucket=store.run.bucket, Prefix=PREFIX)
    assert len(listed.get("Versions", ())) == 5
    assert not listed.get("DeleteMarkers")


def test_what_the_trainer_deletes_is_not_restored(store: Store, root: Path, fresh) -> None:
    """A directory is as it was, not the sum of all that ever was in it."""
    keeper = store.keeper(root)
    write(root, a="1", b="1")
    assert settled(keeper)
    (root / "a").unlink()
    assert settled(keeper)
    again = fresh()
    store.restored(again)
    assert content(again) == {"b": "1"}


def test_large_files_go_in_parts(store: Store, root: Path, fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of gigabytes takes no more memory than a part; one that changes while it is sent is not stored."""
    monkeypatch.setattr(sync, "PART_BYTES", 5 << 20)
    write(root, model=os.urandom(11 << 20))
    keeper = store.keeper(root)
    keeper.sync(Trainer.RUNS)
    real, parts = Keeper._unless_abandoned, []

    def changing(self: Keeper) -> None:
        real(self)
        parts.append(1)
        if len(parts) == 13:  # Eleven reads for the SHA-256, then the parts.
            with (root / "model").open("r+b") as file:
                file.seek(10 << 20)
                file.write(b"changed")

    monkeypatch.setattr(Keeper, "_unless_abandoned", changing)
    assert not keeper.sync(Trainer.RUNS)
    assert store.keys() == []
    assert not store.client.list_multipart_uploads(Bucket=store.run.bucket).get("Uploads")
    assert settled(keeper)
    again = fresh()
    store.restored(again)
    assert (again / "model").read_bytes() == (root / "model").read_bytes()


def test_uploads_of_a_killed_sidecar_are_given_up(store: Store, root: Path) -> None:
    """Parts that nobody completes are space that somebody pays for, and that no listing shows."""
    name = {"Bucket": store.run.bucket, "Key": f"{PREFIX}rank-0/objects/sha256-{'0' * 64}"}
    store.client.create_multipart_upload(**name)
    other = store.client.create_multipart_upload(Bucket=store.run.bucket, Key=f"{PREFIX}rank-1/objects/x")
    write(root, a="1")
    assert settled(store.keeper(root))
    (left,) = store.client.list_multipart_uploads(Bucket=store.run.bucket)["Uploads"]
    assert left["UploadId"] == other["UploadId"]


def test_without_the_right_to_clear_up(store: Store, s3: s3_server.Seaweed, root: Path, fresh) -> None:
    """Credentials that may neither delete nor look for uploads keep every checkpoint, and all that is not needed."""

    def refuse(model: Any, **_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, model.name)

    client = make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    )
    for operation in ("ListMultipartUploads", "DeleteObject"):
        client.meta.events.register(f"before-call.s3.{operation}", refuse)
    keeper = Keeper(root, RankPlace(store.run, 0), lambda: client)
    for number in range(4):
        write(root, model=f"{number}")
        assert settled(keeper)
    assert len(store.keys("json")) == 4
    again = fresh()
    store.restored(again)
    assert content(again) == {"model": "3"}


def damage(store: Store, what: str) -> None:
    """Break the newest manifest in one of the ways that a store can be broken."""
    newest = PREFIX + store.keys("json")[-1]
    body = json.loads(store.client.get_object(Bucket=store.run.bucket, Key=newest)["Body"].read())
    model = next(file for file in body["files"] if file["path"] == "model")
    name = {"Bucket": store.run.bucket, "Key": f"{PREFIX}rank-0/objects/sha256-{model['sha256']}"}
    if what == "its content is gone":
        store.client.delete_object(**name)
    elif what == "its content has another size":
        store.client.put_object(**name, Body=b"3")
    elif what == "its content is other":
        store.client.put_object(**name, Body=b"x" * model["size"])
    elif what == "it is no JSON":
        store.client.put_object(Bucket=store.run.bucket, Key=newest, Body=b'{"files": [')
    else:
        model["path"] = "../outside"
        store.client.put_object(Bucket=store.run.bucket, Key=newest, Body=json.dumps(body).encode())


DAMAGES = (
    "its content is gone",
    "its content has another size",
    "its content is other",
    "it is no JSON",
    "its path leads out",
)


@pytest.mark.parametrize("what", DAMAGES)
def test_a_broken_checkpoint_is_not_restored(store: Store, root: Path, fresh, what: str, caplog) -> None:
    """The one before is taken; where that is broken as well the trainer starts afresh, and says so. It never fails."""
    caplog.set_level(logging.INFO)
    keeper = store.keeper(root)
    for text in ("first", "second"):
        write(root, model=text, other=text)
        assert settled(keeper)
    damage(store, what)
    again = fresh()
    store.restored(again)
    assert content(again) == {"model": "first", "other": "first"}
    assert "cannot be used" in caplog.text
    for key in store.keys("objects"):
        store.client.put_object(Bucket=store.run.bucket, Key=PREFIX + key, Body=b"xxxxx")
    afresh = fresh()
    restored = store.restored(afresh)
    assert content(afresh) == {}
    assert restored.afresh
    assert "the trainer starts afresh" in caplog.text


def test_what_could_not_be_used_is_not_offered_again(store: Store, root: Path, fresh) -> None:
    """A trainer that started afresh beside broken checkpoints never gets them back later, mended or not."""
    write(root, model="1")
    assert settled(store.keeper(root))
    (key,) = store.keys("objects")
    store.client.delete_object(Bucket=store.run.bucket, Key=PREFIX + key)
    again = fresh()
    restored = store.restored(again)
    settled(store.keeper(again, restored=restored))
    store.client.put_object(Bucket=store.run.bucket, Key=PREFIX + key, Body=b"1")
    later = fresh()
    assert not store.restored(later).afresh
    assert content(later) == {}


def test_a_clock_that_is_behind(store: Store, root: Path, fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt on a node whose clock is behind still keeps its checkpoints as the newest."""
    keeper = store.keeper(root)
    write(root, model="1")
    assert settled(keeper)
    monkeypatch.setattr(sync.time, "time_ns", lambda: 1_000_000_000)
    write(root, model="2")
    assert settled(store.keeper(root))
    again = fresh()
    store.restored(again)
    assert content(again) == {"model": "2"}


def test_ranks_together(store: Store, tmp_path: Path, fresh) -> None:
    """Every worker gets the shards of all; where two have the same path, rank 0's is taken. No rank stores, or deletes,
    what another one has stored.
    """
    roots = [tmp_path / "0", tmp_path / "1"]
    for rank, root in enumerate(roots):
        write(root, **{f"shard_{rank}": f"of {rank}", "same": f"of {rank}", f"d{rank}": "file", f"d{1 - rank}__x": "x"})
        assert settled(store.keeper(root, rank))
    merged = fresh()
    restored = store.restored(merged)
    assert content(merged) == {"shard_0": "of 0", "shard_1": "of 1", "same": "of 0", "d0": "file", "d1/x": "x"}
    before = store.keys()
    keepers = [store.keeper(merged, rank, restored) for rank in (0, 1)]
    assert [settled(keeper) for keeper in keepers] == [False, False]
    assert store.keys() == before
    # Once a rank writes what was another's, it is its own.
    write(merged, shard_0="by 1")
    assert settled(keepers[1])
    again = fresh()
    store.restored(again)
    assert content(again)["shard_0"] == "of 0"
    assert len([key for key in store.keys("json") if key.startswith("rank-1/")]) == 2
    assert set(before) <= set(store.keys())


def test_one_broken_rank_starts_all_afresh(store: Store, tmp_path: Path, fresh) -> None:
    """Half a sharded checkpoint is worse than none."""
    for rank in (0, 1):
        write(tmp_path / str(rank), **{f"shard_{rank}": f"{rank}"})
        assert settled(store.keeper(tmp_path / str(rank), rank))
    (key,) = (key for key in store.keys("objects") if key.startswith("rank-1/"))
    store.client.delete_object(Bucket=store.run.bucket, Key=PREFIX + key)
    again = fresh()
    assert store.restored(again).afresh
    assert content(again) == {}


def test_a_store_that_is_away_is_tried_again(s3: s3_server.Seaweed, store: Store, root: Path, fresh) -> None:
    """An outage loses nothing but time, and credentials that were replaced meanwhile are taken up."""
    place = S3Place(bucket="-", endpoint="http://127.0.0.1:9")
    away = make_client(place, Credentials("a", "b"), attempts=1)
    clients = [away, away, store.client]
    write(root, model="1")
    keeper = Keeper(root, RankPlace(store.run, 0), lambda: clients.pop(0))
    keeper.sync(Trainer.RUNS)
    for _ in range(2):
        with pytest.raises(S3Error):
            keeper.sync(Trainer.RUNS)
    assert keeper.sync(Trainer.RUNS)
    keeper._client, clients = away, [store.client]
    write(root, model="2")
    with pytest.raises(S3Error):
        settled(keeper)
    assert keeper.sync(Trainer.RUNS)
    again = fresh()
    store.restored(again)
    assert content(again) == {"model": "2"}


def test_a_store_that_says_no(s3: s3_server.Seaweed, new_bucket, tmp_path: Path, caplog) -> None:
    """Without the right to look, or without a bucket, there is nothing to restore; the trainer runs."""
    reader = make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.READER_KEY, s3_server.READER_SECRET)
    )
    for bucket in (new_bucket(), "no-such-bucket"):
        assert not restore(lambda: reader, Location(bucket, PREFIX), tmp_path / "c").by_rank
    assert caplog.text.count("the trainer starts afresh") == 2


def test_after_success_nothing_is_left(store: Store, root: Path) -> None:
    """Everything below the run's prefix goes, and nothing beside it."""
    store.client.put_object(Bucket=store.run.bucket, Key="ops/runs/one-more/x", Body=b"x")
    for rank in (0, 1):
        write(root, model=f"{rank}")
        assert settled(store.keeper(root, rank))
    store.client.create_multipart_upload(Bucket=store.run.bucket, Key=f"{PREFIX}rank-1/objects/x")
    assert session.delete_all(store.client, store.run) == 4
    assert store.keys() == []
    assert not store.client.list_multipart_uploads(Bucket=store.run.bucket).get("Uploads")
    assert len(store.client.list_objects_v2(Bucket=store.run.bucket)["Contents"]) == 1


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket//", "s3://bucket/runs/one", "/runs/one/"])
def test_a_prefix_that_must_never_be_emptied(uri: str) -> None:
    """A mistake in a task can not delete a bucket."""
    with pytest.raises(Exception, match="checkpoints: "):
        session.place_of(uri)
