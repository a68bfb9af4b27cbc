"""The supervisor and the sidecar beside it, for real: each way a trainer can end is told apart."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelops.api.contract.reports import EXIT_FINAL, EXIT_RETRY, SidecarReport
from modelops.worker.runtime.installing import install
from support.checkout import OPERATOR

PYTHON = sys.executable


def supervise(pod, *command: str, tini: bool = False, **options) -> subprocess.Popen:
    install(("tini", "busybox"), ("supervise.sh",))
    shared = pod.shared
    supervisor = [str(shared / "bin/busybox"), "sh", str(shared / "bin/supervise.sh"), *command]
    if tini:
        supervisor = [str(shared / "bin/tini"), "-s", "-g", "--", *supervisor]
    pod.processes.append(subprocess.Popen(supervisor, start_new_session=True, **options))
    return pod.processes[-1]


def sidecar(pod, **more) -> subprocess.Popen:
    place = {"bucket": "none", "endpoint": "http://127.0.0.1:9"}
    task = json.dumps({"store": place, "publishTimeoutSeconds": 0, "checkpoints": "s3://none/runs/one/", **more})
    # The credentials are made up: nothing is ever sent.
    environment = os.environ | {
        "MODELOPS_TASK": task,
        "PYTHONPATH": str(OPERATOR),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    command = [PYTHON, "-m", "modelops.worker", "sidecar"]
    pod.processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    return pod.processes[-1]


def report(pod) -> SidecarReport:
    return SidecarReport.model_validate_json(pod.report.read_bytes())


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/bin/true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["no-such-program"], 127),
        ([""], 127),
        (["/etc/passwd"], 126),
        (["sh", "-c", 'test "$1" = "a  b" && test "$2" = "$(printf "*\\n;\\"")"', "sh", "a  b", '*\n;"'], 0),
    ],
)
def test_the_exit_code_is_the_commands(pod, command, expected):
    """What the user's command exits with is what Kubernetes and the sidecar see, whatever its arguments contain."""
    assert supervise(pod, *command).wait() == expected
    assert (pod.shared / "state/exit-code").read_text() == f"{expected}\n"


def test_the_images_own_programs_run(pod, tmp_path):
    """Busybox never stands in for a program of the user's image, not even for `sh`."""
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    assert supervise(pod, "tar", env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}).wait() == 7


def test_the_pipe_is_the_shells_alone(pod):
    """A command's child that outlives it does not hold the pipe, which would let the sidecar wait for ever."""
    trainer = supervise(pod, "sh", "-c", "sleep 30 & exit 0")
    assert trainer.wait() == 0
    assert sidecar(pod).wait(10) == EXIT_FINAL
    assert report(pod).failure.reason == "NoModelWritten"
    os.killpg(trainer.pid, signal.SIGKILL)


def test_sigterm_reaches_the_command_and_its_answer_counts(pod):
    """A trainer that saves its work at SIGTERM and exits with a code of its own is reported with that code."""
    code = (
        "import signal,sys,time; signal.signal(15, lambda *_: sys.exit(9)); print('ready', flush=True); time.sleep(30)"
    )
    trainer = supervise(pod, PYTHON, "-c", code, stdout=subprocess.PIPE)
    assert trainer.stdout.readline() == b"ready\n"
    os.killpg(trainer.pid, signal.SIGTERM)
    assert trainer.wait(5) == 9


def test_many_signals_do_not_blur_the_exit_code(pod):
    """Signals that come while the command ends never replace its exit code by the shell's."""
    code = (
        "import os,signal,time\n"
        "count = 0\n"
        "def one(*_):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 3: os._exit(5)\n"
        "signal.signal(15, one); print('ready', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    for _ in range(5):
        trainer = supervise(pod, PYTHON, "-c", code, stdout=subprocess.PIPE)
        trainer.stdout.readline()
        while trainer.poll() is None:
            os.killpg(trainer.pid, signal.SIGTERM)
            time.sleep(0.002)
        assert trainer.returncode == 5


def test_under_tini(pod):
    """As it runs in a Pod: tini passes SIGTERM on to the command, and the command's exit code through."""
    if pod.tini is None:
        pytest.skip("no tini: install tini or set MODELOPS_TEST_TINI")
    code = (
        "import signal,sys,time; signal.signal(15, lambda *_: sys.exit(9)); print('ready', flush=True); time.sleep(30)"
    )
    trainer = supervise(pod, PYTHON, "-c", code, tini=True, stdout=subprocess.PIPE)
    assert trainer.stdout.readline() == b"ready\n"
    trainer.terminate()
    assert trainer.wait(5) == 9


def test_a_killed_supervisor_is_noticed(pod):
    """When the kernel kills everything, no exit code is written, and the sidecar still learns of it."""
    trainer = supervise(pod, "sleep", "30")
    until((pod.shared / "state/started").exists)
    waits = sidecar(pod)
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait()
    assert waits.wait(10) == 0
    assert report(pod).failure.reason == "TrainerKilled"
    assert "memory" in report(pod).failure.message


def test_the_sidecar_waits_for_a_trainer_that_is_late(pod):
    """A sidecar that is there first does not take a trainer that has not started for one that has ended."""
    install(("busybox",), ("supervise.sh",))
    waits = sidecar(pod)
    with pytest.raises(subprocess.TimeoutExpired):
        waits.wait(1)
    supervise(pod, "sh", "-c", "exit 3").wait()
    assert waits.wait(10) == 0
    assert report(pod).failure.message == "the trainer exited with code 3"


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (b"the label column is empty\n", "the label column is empty"),
        (b"\xff\x00bad" + b"x" * 5000, "\ufffd bad" + "x" * 995),
        (b"", "the trainer exited with code 1"),
    ],
)
def test_the_failure_file_is_the_reason(pod, left, expected):
    """SageMaker's contract: a trainer's own words are what people read, shortened and made valid text."""
    (pod.ml / "output/failure").write_bytes(left)
    supervise(pod, "false").wait()
    assert sidecar(pod).wait(10) == 0
    assert report(pod).failure.reason == "TrainerFailed"
    assert report(pod).failure.message == expected


def test_models_that_cannot_be_published(pod, tmp_path):
    """No model, a link out of the model, and metrics that are none: each has its reason, and no attempt repeats it."""
    supervise(pod, "true").wait()
    for reason, prepare in (
        ("NoModelWritten", lambda: (pod.ml / "model/empty").mkdir()),
        ("InvalidModel", lambda: (pod.ml / "model/link").symlink_to("/etc/passwd")),
        ("InvalidModel", lambda: ((pod.ml / "model/link").unlink(), os.mkfifo(pod.ml / "model/fifo"))),
        ("InvalidModel", lambda: ((pod.ml / "model/fifo").unlink(), (pod.ml / "model/a\nb").touch())),
        (
            "InvalidMetrics",
            lambda: (
                (pod.ml / "model/a\nb").rename(pod.ml / "model/a"),
                (pod.ml / "output/metrics.json").write_text("[]"),
            ),
        ),
    ):
        prepare()
        assert sidecar(pod).wait(10) == EXIT_FINAL
        assert report(pod).failure.reason == reason


def test_an_unreachable_store_is_worth_another_try(pod):
    """A store that stays away past the timeout fails the attempt, and says which store."""
    (pod.ml / "model/model.bin").write_bytes(b"model")
    supervise(pod, "true").wait()
    assert sidecar(pod).wait(20) == EXIT_RETRY
    assert report(pod).failure.reason == "PublishFailed"
    assert "http://127.0.0.1:9" in report(pod).failure.message


def test_sigterm_ends_the_sidecar_at_once(pod):
    """A deleted Pod does not linger for its grace period."""
    install(("busybox",), ("supervise.sh",))
    waits = sidecar(pod)
    assert "waiting" in waits.stdout.readline()
    waits.terminate()
    assert waits.wait(3) == EXIT_RETRY
    assert report(pod).failure.reason == "Terminated"


def test_a_stop_that_comes_while_the_sidecar_starts_is_not_lost(pod):
    """A Pod may be evicted in its first second: what the trainer wrote by then is kept all the same."""
    install(("busybox",), ("supervise.sh",))
    starts = sidecar(pod)
    until(lambda: _holds_back(starts.pid, signal.SIGTERM))
    starts.terminate()
    assert starts.wait(10) == EXIT_RETRY
    assert "waiting for the trainer" in starts.stdout.read()
    assert report(pod).failure.reason == "Terminated"


def _holds_back(pid: int, which: signal.Signals) -> bool:
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(told["SigBlk"], 16) >> (which - 1) & 1)


def test_the_failure_file_is_not_followed(pod, tmp_path):
    """The sidecar sees credentials that the trainer does not: a link must not bring them into the status."""
    (tmp_path / "key").write_text("secret")
    (pod.ml / "output/failure").symlink_to(tmp_path / "key")
    supervise(pod, "false").wait()
    assert sidecar(pod).wait(10) == 0
    assert report(pod).failure.message == "the trainer exited with code 1"


def test_bugs_and_bad_tasks_are_reported(pod, monkeypatch):
    """Whatever happens, the operator gets a report."""
    environment = os.environ | {"PYTHONPATH": str(OPERATOR), "MODELOPS_TASK": '{"store": {}}'}
    run = subprocess.run([PYTHON, "-m", "modelops.worker", "sidecar"], env=environment, capture_output=True)
    assert run.returncode == EXIT_FINAL
    assert report(pod).failure.message == "MODELOPS_TASK: store.bucket: Field required"
    # A supervisor that left no pipe is nothing that the worker foresees.
    (pod.shared / "state/started").mkdir(parents=True)
    environment["MODELOPS_TASK"] = (
        '{"store": {"bucket": "ml"}, "publishTimeoutSeconds": 1, "checkpoints": "s3://ml/runs/one/"}'
    )
    run = subprocess.run([PYTHON, "-m", "modelops.worker", "sidecar"], env=environment, capture_output=True)
    assert run.returncode == EXIT_RETRY
    assert report(pod).failure.reason == "WorkerError"
    assert b"Traceback" in run.stderr
