"""The sidecar as a process beside a real supervisor and a real S3: signals, kills, and two of it at once."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops.api.contract.reports import EXIT_RETRY
from modelops.api.contract.tasks import S3Place
from modelops.lineage.digests import ArtifactFile, PinnedObject
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.store.layout import Location
from modelops.store.listing import list_current
from modelops.store.removing import remove
from modelops.store.writing import ContentChangedError
from modelops.worker.checkpoints.restore import restore
from modelops.worker.model import publishing
from modelops.worker.model.artifact import files_of
from modelops.worker.model.publishing import _Publication
from support import s3_server, tools
from support.checkout import OPERATOR

RUN = "ops/runs/one/"
# As the image runs it, but looking more often, and sending smaller parts.
SIDECAR = """
import os
from modelops.worker import checkpoint_keeper, keeping
from modelops.worker.__main__ import main
keeping.Keeping.__init__.__defaults__ = (0.2,)
checkpoint_keeper.PART_BYTES = 5 << 20
os._exit(main(["sidecar"]))
"""


class Beside:
    """A trainer and the sidecar beside it, on the volumes of one Pod."""

    def __init__(self, pod: Any, client: Any, bucket: str) -> None:
        self.pod, self.client, self.bucket = pod, client, bucket
        self.processes: list[subprocess.Popen[Any]] = []
        self.checkpoints = pod.root / "ml/checkpoints"
        self.environment = os.environ | pod.environment | {"PYTHONPATH": str(OPERATOR)}

    def task(self, **more: Any) -> dict[str, Any]:
        return {
            "store": self.pod.place(self.bucket, "ops"),
            "publishTimeoutSeconds": 30,
            "checkpoints": f"s3://{self.bucket}/{RUN}",
            **more,
        }

    def fetch(self) -> None:
        """Before the trainer: installs the supervisor, and restores."""
        done = self.pod.run("fetch", self.task(datasets=[], hyperparameters={}))
        assert done.exit_code == 0, done.output

    def train(self, script: str) -> subprocess.Popen[Any]:
        """The trainer, in Python, under its supervisor. Its directory is that of the checkpoints."""
        shared = self.pod.root / "shared"
        command = [str(shared / "bin/busybox"), "sh", str(shared / "bin/supervise.sh"), sys.executable, "-c", script]
        return self._started(command, cwd=self.checkpoints)

    def sidecar(self, *, rank: int = 0, **more: Any) -> subprocess.Popen[Any]:
        """The sidecar, once it takes signals."""
        environment = self.environment | {
            "MODELOPS_TASK": json.dumps(self.task(**more)),
            "JOB_COMPLETION_INDEX": str(rank),
        }
        process = self._started([sys.executable, "-c", SIDECAR], env=environment, stdout=subprocess.PIPE, text=True)
        while "waiting for the trainer" not in process.stdout.readline():
            assert process.poll() is None
        return process

    def report(self) -> dict[str, Any]:
        return json.loads((self.pod.root / "report.json").read_bytes())

    def restored(self, target: Path) -> dict[str, bytes]:
        """What a next attempt would find."""
        restore(lambda: self.client, Location(self.bucket, RUN), target)
        return {file.relative_to(target).as_posix(): file.read_bytes() for file in target.rglob("*") if file.is_file()}

    def keys(self, prefix: str) -> list[str]:
        return sorted(one.key.removeprefix(prefix) for one in list_current(self.client, self.bucket, prefix).objects)

    def uploads(self) -> list[Any]:
        return self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])

    def _started(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        self.processes.append(subprocess.Popen(command, start_new_session=True, **options))
        return self.processes[-1]

    def stop(self) -> None:
        """End every process and what it has started: a trainer outlives a supervisor that is killed."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def beside(pod: Any, client: Any, new_bucket: Callable[..., str]) -> Iterator[Beside]:
    if tools.find("busybox") is None:
        pytest.skip("no busybox: install busybox-static or set MODELOPS_TEST_BUSYBOX")
    made = Beside(pod, client, new_bucket(versioned=False))
    yield made
    made.stop()


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SAVES_AT_SIGTERM = """
import signal, sys, time
def save(*_):
    open("last", "w").write("saved at the end")
    sys.exit(9)
signal.signal(signal.SIGTERM, save)
open("first", "w").write("1")
time.sleep(60)
"""


def test_what_a_trainer_saves_at_sigterm_is_kept(beside: Beside, tmp_path: Path) -> None:
    """A Pod that is evicted goes on elsewhere with the last checkpoint, though that was written in its last second."""
    beside.fetch()
    trainer, sidecar = beside.train(SAVES_AT_SIGTERM), beside.sidecar()
    until(lambda: beside.keys(RUN))
    os.killpg(trainer.pid, signal.SIGTERM)
    sidecar.terminate()
    assert sidecar.wait(10) == EXIT_RETRY
    assert beside.report()["failure"]["reason"] == "Terminated"
    assert beside.restored(tmp_path / "next") == {"first": b"1", "last": b"saved at the end"}


WRITES_FOR_EVER = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("first", "w").write("1")
log = open("log", "w")
while True:
    log.write("x")
    log.flush()
    time.sleep(0.01)
"""


def test_a_trainer_that_is_killed(beside: Beside, tmp_path: Path) -> None:
    """Nothing that it was in the middle of writing is restored: the kernel's kill lets no write come to its end."""
    beside.fetch()
    trainer, sidecar = beside.train(WRITES_FOR_EVER), beside.sidecar()
    until(lambda: (beside.checkpoints / "log").exists())
    time.sleep(2.5)
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait()
    assert sidecar.wait(10) == 0
    assert beside.report()["failure"]["reason"] == "TrainerKilled"
    assert beside.restored(tmp_path / "next") == {"first": b"1"}


def test_a_trainer_that_does_not_end(beside: Beside, tmp_path: Path) -> None:
    """What held still is kept before the kubelet kills everything; what is being written is not."""
    beside.fetch()
    beside.train(WRITES_FOR_EVER)
    sidecar = beside.sidecar(stopSeconds=3)
    until(lambda: (beside.checkpoints / "log").exists())
    began = time.monotonic()
    sidecar.terminate()
    assert sidecar.wait(10) == EXIT_RETRY
    assert 1.5 < time.monotonic() - began < 4
    assert beside.restored(tmp_path / "next") == {"first": b"1"}


def test_a_store_that_is_away_does_not_hold_up_the_end(beside: Beside) -> None:
    """The report is written within the grace period even where nothing can be kept."""
    beside.fetch()
    trainer = beside.train(SAVES_AT_SIGTERM)
    sidecar = beside.sidecar(stopSeconds=3, store={"bucket": "b", "endpoint": "http://127.0.0.1:9", "secretName": "s3"})
    until(lambda: (beside.checkpoints / "first").exists())
    os.killpg(trainer.pid, signal.SIGTERM)
    sidecar.terminate()
    assert sidecar.wait(4) == EXIT_RETRY
    assert beside.report()["failure"]["reason"] == "Terminated"


def test_a_trainer_that_crashes_goes_on_from_its_last_checkpoint(beside: Beside, tmp_path: Path) -> None:
    """The next attempt finds what was written right before the crash, and is told apart from a kill."""
    beside.fetch()
    beside.train("import sys; open('model', 'w').write('of the last step'); sys.exit(3)").wait()
    assert beside.sidecar().wait(10) == 0
    assert beside.report()["failure"]["reason"] == "TrainerFailed"
    assert beside.restored(tmp_path / "next") == {"model": b"of the last step"}


def test_kill_9_in_the_middle(beside: Beside, tmp_path: Path) -> None:
    """A node that dies while a checkpoint is being stored: the one before is restored, and the rest is cleared up."""
    beside.fetch()
    trainer, sidecar = beside.train("import time; open('model', 'w').write('first'); time.sleep(60)"), beside.sidecar()
    until(lambda: [key for key in beside.keys(RUN) if key.endswith(".json")])
    large = os.urandom(1 << 20) * 200
    (beside.checkpoints / "new").write_bytes(large)
    os.replace(beside.checkpoints / "new", beside.checkpoints / "model")
    until(beside.uploads)
    sidecar.kill()
    os.killpg(trainer.pid, signal.SIGKILL)
    sidecar.wait()
    assert beside.uploads()
    assert beside.restored(tmp_path / "next") == {"model": b"first"}

    (beside.checkpoints / "model").write_bytes(b"second")
    for name in ("started", "exit-code"):
        (beside.pod.root / "shared/state" / name).unlink(missing_ok=True)
    beside.train("import sys; sys.exit(1)").wait()
    assert beside.sidecar().wait(20) == 0
    assert not beside.uploads()
    assert beside.restored(tmp_path / "after") == {"model": b"second"}


def test_two_ranks(beside: Beside, tmp_path: Path) -> None:
    """Rank 1 keeps its shard and publishes nothing; rank 0 publishes, and then deletes the checkpoints of all."""
    beside.fetch()
    script = "open('shard', 'w').write('1'); open('../model/model', 'w').write('m')"
    beside.train(script).wait()
    assert beside.sidecar(rank=1).wait(10) == 0
    assert beside.report() == {"metrics": {}}
    assert beside.keys("ops/models/") == []
    assert beside.restored(tmp_path / "next") == {"shard": b"1"}
    assert beside.sidecar().wait(10) == 0
    assert beside.report()["artifact"]["files"] == 1
    assert beside.keys(RUN) == []


def test_a_failed_trainer_of_another_rank(beside: Beside) -> None:
    """Any worker's failure is told in its own words."""
    beside.fetch()
    (beside.pod.root / "ml/output/failure").write_text("rank 1 has no data")
    beside.train("import sys; sys.exit(3)").wait()
    assert beside.sidecar(rank=1).wait(10) == 0
    assert beside.report()["failure"] == {"reason": "TrainerFailed", "message": "rank 1 has no data"}


def test_history_and_packages(beside: Beside) -> None:
    """Every line of metrics.jsonl and the packages are kept beside the model, each under its digest."""
    beside.fetch()
    history, packages = b'{"step": 1}\nnot JSON\n{"step": 2}', b"numpy==2.4.6\n"
    (beside.pod.root / "ml/output/metrics.jsonl").write_bytes(history)
    (beside.pod.root / "ml/output/packages.txt").write_bytes(packages)
    beside.train("open('../model/model', 'w').write('m')").wait()
    assert beside.sidecar().wait(10) == 0
    for field, kind, content in (("history", "history/%s.jsonl", history), ("packages", "packages/%s.txt", packages)):
        key = "ops/runs/" + kind % f"sha256-{hashlib.sha256(content).hexdigest()}"
        assert beside.report()[field] == f"s3://{beside.bucket}/{key}"
        assert beside.client.get_object(Bucket=beside.bucket, Key=key)["Body"].read() == content


def test_an_interrupted_publish_leaves_nothing(beside: Beside) -> None:
    """A model that was half published when its Pod was evicted is not paid for by anybody."""
    beside.fetch()
    beside.train("open('../model/a', 'w').write('small'); open('../model/b', 'wb').truncate(400 << 20)").wait()
    sidecar = beside.sidecar(stopSeconds=0.5)
    until(lambda: beside.keys("ops/models/"))
    sidecar.terminate()
    assert sidecar.wait(10) == EXIT_RETRY
    assert beside.report()["failure"]["reason"] == "Terminated"
    assert beside.keys("ops/models/") == []
    assert not beside.uploads()


def test_sigterm_lets_a_publish_come_to_its_end(beside: Beside) -> None:
    """Training is paid for: what can be stored within the grace period is."""
    beside.fetch()
    beside.train("open('../model/a', 'w').write('small'); open('../model/b', 'wb').truncate(150 << 20)").wait()
    sidecar = beside.sidecar()
    until(lambda: beside.keys("ops/models/"))
    sidecar.terminate()
    assert sidecar.wait(20) == 0
    assert beside.report()["artifact"]["files"] == 2


@pytest.fixture
def model(pod: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trainer's model, where this process finds it."""
    monkeypatch.setenv("MODELOPS_ML_ROOT", str(pod.root / "ml"))
    directory = pod.root / "ml/model"
    directory.mkdir(parents=True)
    return directory


PREFIX = "ops/models/sha256-x/"


def publication(client: Any, bucket: str, files: list[ArtifactFile], seconds: float = 30.0) -> _Publication:
    return _Publication(files, lambda: client, bucket, PREFIX, time.monotonic() + seconds)


def keys(client: Any, bucket: str) -> list[str]:
    return sorted(one.key.removeprefix(PREFIX) for one in list_current(client, bucket, PREFIX).objects)


def test_a_failed_publish_removes_its_own_and_nothing_else(client: Any, new_bucket: Any, model: Path) -> None:
    """What another publisher of the same model has put there stays."""
    bucket = new_bucket(versioned=False)
    for name in "abc":
        (model / name).write_text(name)
    files = files_of(model)
    client.put_object(Bucket=bucket, Key=PREFIX + "a", Body=b"a")
    (model / "c").write_text("x")  # As if it had been changed since its digest was taken.
    with pytest.raises(ContentChangedError):
        publication(client, bucket, files).run()
    assert keys(client, bucket) == ["a"]


def test_what_is_complete_is_never_removed(client: Any, new_bucket: Any, model: Path) -> None:
    """A publisher that fails after another one has completed the model removes nothing of it."""
    bucket = new_bucket(versioned=False)
    for name in "ab":
        (model / name).write_text(name)
    files = files_of(model)
    one = publication(client, bucket, files)
    one._publish()
    one._clean_up(5)
    assert keys(client, bucket) == ["a", "b"]


def test_what_another_completes_meanwhile_is_removed_no_further(
    client: Any, new_bucket: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing many files takes long: a listing from before must not cost the other publisher its model."""
    bucket = new_bucket(versioned=False)
    for name in "abc":
        (model / name).write_text(name)
    files = files_of(model)
    (model / "c").write_text("x")  # As if it had been changed since its digest was taken.

    def slowly(store: Any, bucket: str, one: PinnedObject) -> None:
        remove(store, bucket, one)
        for name in "abc":
            client.put_object(Bucket=bucket, Key=PREFIX + name, Body=name.encode())
        time.sleep(1.1)

    monkeypatch.setattr(publishing, "remove", slowly)
    with pytest.raises(ContentChangedError):
        publication(client, bucket, files).run()
    assert keys(client, bucket) == ["a", "b", "c"]


def test_what_another_removes_meanwhile_is_published_again(client: Any, new_bucket: Any, model: Path) -> None:
    """Two publishers of one model: the one that succeeds does not count on files that the other takes away again."""
    bucket = new_bucket(versioned=False)
    for name in "ab":
        (model / name).write_text(name)
    client.put_object(Bucket=bucket, Key=PREFIX + "a", Body=b"a")
    thread = threading.Thread(target=publication(client, bucket, files_of(model)).run)
    thread.start()
    until(lambda: keys(client, bucket) == ["a", "b"])
    client.delete_object(Bucket=bucket, Key=PREFIX + "a")
    thread.join(20)
    assert keys(client, bucket) == ["a", "b"]


def test_two_publishers_at_once(s3: s3_server.Seaweed, client: Any, new_bucket: Any, model: Path) -> None:
    """The second takes the first one's uploads for left behind and gives them up: both succeed all the same."""
    bucket = new_bucket(versioned=False)
    (model / "large").write_bytes(os.urandom(1 << 20) * 130)
    files = files_of(model)
    failures: list[BaseException] = []

    def publish() -> None:
        own = make_client(
            S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
        )
        try:
            publication(own, bucket, files).run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=publish) for _ in range(2)]
    threads[0].start()
    until(lambda: client.list_multipart_uploads(Bucket=bucket).get("Uploads"))
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert keys(client, bucket) == ["large"]
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_uploads_of_a_killed_attempt_are_given_up(client: Any, new_bucket: Any, model: Path) -> None:
    """Those of this model, and no others."""
    bucket = new_bucket(versioned=False)
    (model / "a").write_text("a")
    client.create_multipart_upload(Bucket=bucket, Key=PREFIX + "a")
    client.create_multipart_upload(Bucket=bucket, Key="ops/models/sha256-y/a")
    publication(client, bucket, files_of(model)).run()
    assert [one["Key"] for one in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["ops/models/sha256-y/a"]


@pytest.mark.parametrize(("key", "body"), [("a", b"longer"), ("other", b"x")])
def test_what_does_not_belong_to_the_model(client: Any, new_bucket: Any, model: Path, key: str, body: bytes) -> None:
    """A listing that is not the model's could never be served: it is told while somebody can mend it."""
    bucket = new_bucket(versioned=False)
    (model / "a").write_text("a")
    client.put_object(Bucket=bucket, Key=PREFIX + key, Body=body)
    with pytest.raises(publishing.TaskError, match=f"{key} is not the model's"):
        publication(client, bucket, files_of(model)).run()
    assert keys(client, bucket) == [key]
