"""The sidecar as a process beside a real supervisor and a real S3: signals, kills, and two sidecars at once."""

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
from modelops.api.contract.tasks import PinnedCheckpoints, S3Place
from modelops.controllers.trainingrun import children
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
from modelops.worker.runtime.errors import TaskError
from support import s3_server, tools
from support.builders.trainingruns import training_run
from support.checkout import OPERATOR
from support.controllers.run_observations import resolved_inputs

RUN = "ops/runs/one/"
# As the image runs the sidecar, but with more frequent scans and smaller parts.
SIDECAR = """
import os
from modelops.worker.checkpoints import background, sync
from modelops.worker.__main__ import main
background.BackgroundSync.__init__.__defaults__ = (0.2,)
sync.PART_BYTES = 5 << 20
os._exit(main(["sidecar"]))
"""


class TrainingPod:
    """A trainer and its sidecar, on the volumes of one Pod."""

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
        """Run `fetch`, which installs the supervisor and restores checkpoints."""
        outcome = self.pod.run("fetch", self.task(datasets=[], hyperparameters={}))
        assert outcome.exit_code == 0, outcome.output

    def pin(self, checkpoints: PinnedCheckpoints) -> None:
        """Mount a ConfigMap with these checkpoints, as the operator writes it."""
        config_map = children.pinned_checkpoints(training_run(), resolved_inputs(), checkpoints.checkpoints)
        for name, text in config_map["data"].items():
            file = self.pod.root / "pinned" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    def train(self, script: str) -> subprocess.Popen[Any]:
        """Start a trainer in Python under its supervisor, in the directory of the checkpoints."""
        shared = self.pod.root / "shared"
        command = [str(shared / "bin/busybox"), "sh", str(shared / "bin/supervise.sh"), sys.executable, "-c", script]
        return self._start(command, cwd=self.checkpoints)

    def sidecar(self, *, rank: int = 0, **more: Any) -> subprocess.Popen[Any]:
        """Start the sidecar, and return once it handles signals."""
        environment = self.environment | {
            "MODELOPS_TASK": json.dumps(self.task(**more)),
            "JOB_COMPLETION_INDEX": str(rank),
        }
        process = self._start([sys.executable, "-c", SIDECAR], env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        while "waiting for the trainer" not in process.stdout.readline():
            assert process.poll() is None
        return process

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.pod.root / "report.json").read_bytes())
        return report

    def restore(self, target: Path) -> dict[str, bytes]:
        """Restore the reported checkpoints as the next attempt would, and return the files."""
        pinned = PinnedCheckpoints.model_validate(self.report()).checkpoints
        restore(lambda: self.client, Location(self.bucket, RUN), target, pinned)
        return {file.relative_to(target).as_posix(): file.read_bytes() for file in target.rglob("*") if file.is_file()}

    def keys(self, prefix: str) -> list[str]:
        objects = list_current(self.client, self.bucket, prefix).objects
        return sorted(pinned.key.removeprefix(prefix) for pinned in objects)

    def uploads(self) -> list[Any]:
        uploads: list[Any] = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return uploads

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        self.processes.append(subprocess.Popen(command, start_new_session=True, **options))
        return self.processes[-1]

    def stop(self) -> None:
        """Kill every process and its children: a trainer outlives a supervisor that is killed."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def training_pod(pod: Any, client: Any, new_bucket: Callable[..., str]) -> Iterator[TrainingPod]:
    if tools.find("busybox") is None:
        pytest.skip("no busybox: install busybox-static or set MODELOPS_TEST_BUSYBOX")
    running = TrainingPod(pod, client, new_bucket(versioned=False))
    yield running
    running.stop()


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
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


def test_a_checkpoint_that_is_written_at_sigterm_is_saved(training_pod: TrainingPod, tmp_path: Path) -> None:
    """A run whose Pod is evicted resumes from its last checkpoint, even if that was written in the last second."""
    training_pod.fetch()
    trainer, sidecar = training_pod.train(SAVES_AT_SIGTERM), training_pod.sidecar()
    wait_for(lambda: training_pod.keys(RUN))
    os.killpg(trainer.pid, signal.SIGTERM)
    sidecar.terminate()
    assert sidecar.wait(60) == EXIT_RETRY
    assert training_pod.report()["failure"]["reason"] == "Terminated"
    assert training_pod.restore(tmp_path / "next") == {"first": b"1", "last": b"saved at the end"}


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


def test_a_file_that_a_killed_trainer_was_writing_is_not_restored(training_pod: TrainingPod, tmp_path: Path) -> None:
    """SIGKILL lets no write complete, and a half-written file must not reach the next attempt."""
    training_pod.fetch()
    trainer, sidecar = training_pod.train(WRITES_FOR_EVER), training_pod.sidecar()
    wait_for(lambda: (training_pod.checkpoints / "log").exists())
    time.sleep(2.5)
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait()
    assert sidecar.wait(60) == 0
    assert training_pod.report()["failure"]["reason"] == "TrainerKilled"
    assert training_pod.restore(tmp_path / "next") == {"first": b"1"}


def test_checkpoints_of_a_trainer_that_ignores_sigterm_are_saved(training_pod: TrainingPod, tmp_path: Path) -> None:
    """Unchanged files are saved before the kubelet kills every container; a file that is being written is not."""
    training_pod.fetch()
    training_pod.train(WRITES_FOR_EVER)
    sidecar = training_pod.sidecar(stopSeconds=10)
    wait_for(lambda: (training_pod.checkpoints / "log").exists())
    began = time.monotonic()
    sidecar.terminate()
    assert sidecar.wait(60) == EXIT_RETRY
    assert time.monotonic() - began > 1.5
    assert training_pod.restore(tmp_path / "next") == {"first": b"1"}


def test_an_unreachable_store_does_not_delay_the_report(training_pod: TrainingPod) -> None:
    """The operator gets a report, even if no checkpoint can be saved: retries would take five minutes."""
    training_pod.fetch()
    trainer = training_pod.train(SAVES_AT_SIGTERM)
    sidecar = training_pod.sidecar(
        stopSeconds=10, store={"bucket": "b", "endpoint": "http://127.0.0.1:9", "secretName": "s3"}
    )
    wait_for(lambda: (training_pod.checkpoints / "first").exists())
    os.killpg(trainer.pid, signal.SIGTERM)
    sidecar.terminate()
    assert sidecar.wait(60) == EXIT_RETRY
    assert training_pod.report()["failure"]["reason"] == "Terminated"


def test_a_trainer_that_crashed_resumes_from_its_last_checkpoint(training_pod: TrainingPod, tmp_path: Path) -> None:
    """The next attempt finds a file that was written right before the crash, and the reason is not that of a kill."""
    training_pod.fetch()
    training_pod.train("import sys; open('model', 'w').write('of the last step'); sys.exit(3)").wait()
    assert training_pod.sidecar().wait(60) == 0
    assert training_pod.report()["failure"]["reason"] == "TrainerFailed"
    assert training_pod.restore(tmp_path / "next") == {"model": b"of the last step"}


def test_fetch_restores_the_checkpoints_that_the_operator_has_pinned(training_pod: TrainingPod) -> None:
    """From the sidecar's report through the ConfigMap of the operator to the next attempt; without a pin, nothing."""
    training_pod.fetch()
    training_pod.train("import sys; open('model', 'w').write('of the last step'); sys.exit(3)").wait()
    assert training_pod.sidecar().wait(60) == 0
    reported = PinnedCheckpoints.model_validate(training_pod.report())
    (training_pod.checkpoints / "model").unlink()
    training_pod.fetch()
    assert list(training_pod.checkpoints.iterdir()) == []
    training_pod.pin(reported)
    training_pod.fetch()
    assert (training_pod.checkpoints / "model").read_text() == "of the last step"


def test_a_sidecar_that_is_killed_during_an_upload_leaves_the_checkpoint_before(
    training_pod: TrainingPod, tmp_path: Path
) -> None:
    """When a node dies during an upload, the previous checkpoint is restored, and the incomplete upload is aborted."""
    training_pod.fetch()
    trainer, sidecar = (
        training_pod.train("import time; open('model', 'w').write('first'); time.sleep(60)"),
        training_pod.sidecar(),
    )
    wait_for(lambda: [key for key in training_pod.keys(RUN) if key.endswith(".json")])
    large = os.urandom(1 << 20) * 200
    (training_pod.checkpoints / "new").write_bytes(large)
    os.replace(training_pod.checkpoints / "new", training_pod.checkpoints / "model")
    wait_for(training_pod.uploads)
    sidecar.kill()
    os.killpg(trainer.pid, signal.SIGKILL)
    sidecar.wait()
    assert training_pod.uploads()
    assert training_pod.restore(tmp_path / "next") == {"model": b"first"}

    (training_pod.checkpoints / "model").write_bytes(b"second")
    for name in ("started", "exit-code"):
        (training_pod.pod.root / "shared/state" / name).unlink(missing_ok=True)
    training_pod.train("import sys; sys.exit(1)").wait()
    assert training_pod.sidecar().wait(60) == 0
    assert not training_pod.uploads()
    assert training_pod.restore(tmp_path / "after") == {"model": b"second"}


def test_only_rank_0_publishes_and_deletes_the_checkpoints_of_all_ranks(
    training_pod: TrainingPod, tmp_path: Path
) -> None:
    """Rank 1 saves its shard and publishes nothing; rank 0 publishes, and then deletes the checkpoints of all ranks."""
    training_pod.fetch()
    script = "open('shard', 'w').write('1'); open('../model/model', 'w').write('m')"
    training_pod.train(script).wait()
    assert training_pod.sidecar(rank=1).wait(60) == 0
    report = training_pod.report()
    assert [pinned["rank"] for pinned in report.pop("checkpoints")] == [1]
    assert report == {"metrics": {}}
    assert training_pod.keys("ops/models/") == []
    assert training_pod.restore(tmp_path / "next") == {"shard": b"1"}
    assert training_pod.sidecar().wait(60) == 0
    assert training_pod.report()["artifact"]["files"] == 1
    assert training_pod.keys(RUN) == []


def test_the_failure_of_any_rank_is_reported(training_pod: TrainingPod) -> None:
    """A failure of any worker is reported with the text that its trainer wrote."""
    training_pod.fetch()
    (training_pod.pod.root / "ml/output/failure").write_text("rank 1 has no data")
    training_pod.train("import sys; sys.exit(3)").wait()
    assert training_pod.sidecar(rank=1).wait(60) == 0
    assert training_pod.report()["failure"] == {"reason": "TrainerFailed", "message": "rank 1 has no data"}


def test_history_and_packages_are_stored_under_their_digests(training_pod: TrainingPod) -> None:
    """Every line of metrics.jsonl and the list of packages stay available after the run."""
    training_pod.fetch()
    history, packages = b'{"step": 1}\nnot JSON\n{"step": 2}', b"numpy==2.4.6\n"
    (training_pod.pod.root / "ml/output/metrics.jsonl").write_bytes(history)
    (training_pod.pod.root / "ml/output/packages.txt").write_bytes(packages)
    training_pod.train("open('../model/model', 'w').write('m')").wait()
    assert training_pod.sidecar().wait(60) == 0
    for field, kind, content in (("history", "history/%s.jsonl", history), ("packages", "packages/%s.txt", packages)):
        key = "ops/runs/" + kind % f"sha256-{hashlib.sha256(content).hexdigest()}"
        assert training_pod.report()[field] == f"s3://{training_pod.bucket}/{key}"
        assert training_pod.client.get_object(Bucket=training_pod.bucket, Key=key)["Body"].read() == content


def test_the_report_has_all_steps_of_the_objective(training_pod: TrainingPod) -> None:
    """Early stopping compares a trial with those that succeeded, also with one that ended before it was polled."""
    training_pod.fetch()
    lines = [json.dumps({"step": step, "score": step / 4, "loss": 1}) for step in range(1, 4)]
    (training_pod.pod.root / "ml/output/metrics.jsonl").write_text("\n".join([*lines, ""]))
    training_pod.train("open('../model/model', 'w').write('trained')")
    sidecar = training_pod.sidecar(objective="score")
    assert sidecar.wait(60) == 0
    progress = training_pod.report()["progress"]
    assert progress["last"] == {"step": 3, "metrics": {"score": 0.75, "loss": 1}}
    assert progress["points"] == [{"step": step, "metrics": {"score": step / 4}} for step in range(1, 4)]


def test_an_interrupted_publish_leaves_no_objects(training_pod: TrainingPod) -> None:
    """A model that was half published when its Pod was evicted costs no space."""
    training_pod.fetch()
    training_pod.train("open('../model/a', 'w').write('small'); open('../model/b', 'wb').truncate(400 << 20)").wait()
    sidecar = training_pod.sidecar(stopSeconds=0.5)
    wait_for(lambda: training_pod.keys("ops/models/"))
    sidecar.terminate()
    assert sidecar.wait(60) == EXIT_RETRY
    assert training_pod.report()["failure"]["reason"] == "Terminated"
    assert training_pod.keys("ops/models/") == []
    assert not training_pod.uploads()


def test_a_publish_completes_within_the_grace_period_after_sigterm(training_pod: TrainingPod) -> None:
    """A finished training is not lost if its model can be stored within the grace period."""
    training_pod.fetch()
    training_pod.train("open('../model/a', 'w').write('small'); open('../model/b', 'wb').truncate(150 << 20)").wait()
    sidecar = training_pod.sidecar()
    wait_for(lambda: training_pod.keys("ops/models/"))
    sidecar.terminate()
    assert sidecar.wait(60) == 0
    assert training_pod.report()["artifact"]["files"] == 2


@pytest.fixture
def model(pod: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the trainer's model directory, where this process finds it."""
    monkeypatch.setenv("MODELOPS_ML_ROOT", str(pod.root / "ml"))
    directory: Path = pod.root / "ml/model"
    directory.mkdir(parents=True)
    return directory


PREFIX = "ops/models/sha256-x/"


def publication(client: Any, bucket: str, files: list[ArtifactFile], seconds: float = 30.0) -> _Publication:
    return _Publication(files, lambda: client, bucket, PREFIX, time.monotonic() + seconds)


def keys(client: Any, bucket: str) -> list[str]:
    return sorted(pinned.key.removeprefix(PREFIX) for pinned in list_current(client, bucket, PREFIX).objects)


def test_a_failed_publish_removes_only_its_own_files(client: Any, new_bucket: Any, model: Path) -> None:
    """Files that another publisher of the same model has written stay."""
    bucket = new_bucket(versioned=False)
    for name in "abc":
        (model / name).write_text(name)
    files = files_of(model)
    client.put_object(Bucket=bucket, Key=PREFIX + "a", Body=b"a")
    (model / "c").write_text("x")  # As if the file had changed after its digest was taken.
    with pytest.raises(ContentChangedError):
        publication(client, bucket, files).run()
    assert keys(client, bucket) == ["a"]


def test_a_complete_model_is_never_removed(client: Any, new_bucket: Any, model: Path) -> None:
    """A publisher that fails after another publisher has completed the model removes no file of the model."""
    bucket = new_bucket(versioned=False)
    for name in "ab":
        (model / name).write_text(name)
    files = files_of(model)
    failing = publication(client, bucket, files)
    failing._publish()
    failing._clean_up(5)
    assert keys(client, bucket) == ["a", "b"]


def test_removal_ends_when_another_publisher_completes_the_model(
    client: Any, new_bucket: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing many files takes long: an old listing must not cost the other publisher its model."""
    bucket = new_bucket(versioned=False)
    for name in "abc":
        (model / name).write_text(name)
    files = files_of(model)
    (model / "c").write_text("x")  # As if the file had changed after its digest was taken.

    def slowly(store: Any, bucket: str, pinned: PinnedObject) -> None:
        remove(store, bucket, pinned)
        for name in "abc":
            client.put_object(Bucket=bucket, Key=PREFIX + name, Body=name.encode())
        time.sleep(1.1)

    monkeypatch.setattr(publishing, "remove", slowly)
    with pytest.raises(ContentChangedError):
        publication(client, bucket, files).run()
    assert keys(client, bucket) == ["a", "b", "c"]


def test_a_file_that_another_publisher_removes_is_published_again(client: Any, new_bucket: Any, model: Path) -> None:
    """Of two publishers of one model, one that succeeds does not rely on files that the other removes when it fails."""
    bucket = new_bucket(versioned=False)
    for name in "ab":
        (model / name).write_text(name)
    client.put_object(Bucket=bucket, Key=PREFIX + "a", Body=b"a")
    thread = threading.Thread(target=publication(client, bucket, files_of(model)).run)
    thread.start()
    wait_for(lambda: keys(client, bucket) == ["a", "b"])
    client.delete_object(Bucket=bucket, Key=PREFIX + "a")
    thread.join(60)
    assert keys(client, bucket) == ["a", "b"]


def test_two_publishers_at_once_both_succeed(s3: s3_server.Seaweed, client: Any, new_bucket: Any, model: Path) -> None:
    """The second publisher aborts the uploads of the first as incomplete; the model is published all the same."""
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
    wait_for(lambda: client.list_multipart_uploads(Bucket=bucket).get("Uploads"))
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert keys(client, bucket) == ["large"]
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_incomplete_uploads_of_a_killed_attempt_are_aborted(client: Any, new_bucket: Any, model: Path) -> None:
    """Only uploads of this model are aborted; those of other models may be running."""
    bucket = new_bucket(versioned=False)
    (model / "a").write_text("a")
    client.create_multipart_upload(Bucket=bucket, Key=PREFIX + "a")
    client.create_multipart_upload(Bucket=bucket, Key="ops/models/sha256-y/a")
    publication(client, bucket, files_of(model)).run()
    uploads = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["ops/models/sha256-y/a"]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        pytest.param("a", b"longer", id="a file of another size"),
        pytest.param("a", b"b", id="other bytes of the same size"),
        pytest.param("other", b"x", id="a file that the model does not have"),
    ],
)
def test_an_object_that_is_not_the_models_is_refused(
    client: Any, new_bucket: Any, model: Path, key: str, body: bytes
) -> None:
    """No server could load such a model: the run fails now, while a person can still delete the object."""
    bucket = new_bucket(versioned=False)
    (model / "a").write_text("a")
    client.put_object(Bucket=bucket, Key=PREFIX + key, Body=body)
    with pytest.raises(TaskError, match=f"{key} is not the model's"):
        publication(client, bucket, files_of(model)).run()
    assert keys(client, bucket) == [key]
