"""A real supervisor and a real sidecar beside it: each way in which a trainer can end has its own reason."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelops.api.contract.reports import EXIT_FINAL, EXIT_RETRY, Failure, SidecarReport
from modelops.worker.runtime.installing import install
from support.checkout import OPERATOR

PYTHON = sys.executable


def supervise(pod: SimpleNamespace, *command: str, tini: bool = False, **options: Any) -> "subprocess.Popen[str]":
    """Start a command under the supervisor, in a process group of its own."""
    install(("tini", "busybox"), ("supervise.sh",))
    shared = pod.shared
    supervisor = [str(shared / "bin/busybox"), "sh", str(shared / "bin/supervise.sh"), *command]
    if tini:
        supervisor = [str(shared / "bin/tini"), "-s", "-g", "--", *supervisor]
    process = subprocess.Popen(supervisor, start_new_session=True, text=True, **options)
    pod.processes.append(process)
    return process


def sidecar(pod: SimpleNamespace, **more: Any) -> "subprocess.Popen[str]":
    """Start a sidecar whose store cannot be reached."""
    place = {"bucket": "none", "endpoint": "http://127.0.0.1:9"}
    task = json.dumps({"store": place, "publishTimeoutSeconds": 0, "checkpoints": "s3://none/runs/one/", **more})
    # The credentials are invented: no request is ever sent.
    environment = os.environ | {
        "MODELOPS_TASK": task,
        "PYTHONPATH": str(OPERATOR),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    command = [PYTHON, "-m", "modelops.worker", "sidecar"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    pod.processes.append(process)
    return process


def reported_failure(pod: SimpleNamespace) -> Failure:
    failure = SidecarReport.model_validate_json(pod.report.read_bytes()).failure
    assert failure is not None
    return failure


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(["/bin/true"], 0, id="a program by its path"),
        pytest.param(["false"], 1, id="a program that fails"),
        pytest.param(["sh", "-c", "exit 42"], 42, id="a program with an exit code of its own"),
        pytest.param(["sh", "-c", "kill -9 $$"], 137, id="a program that is killed"),
        pytest.param(["sh", "-c", "kill -TERM $$"], 143, id="a program that SIGTERM ends"),
        pytest.param(["no-such-program"], 127, id="a program that does not exist"),
        pytest.param([""], 127, id="an empty command"),
        pytest.param(["/etc/passwd"], 126, id="a file that is not executable"),
        pytest.param(
            ["sh", "-c", 'test "$1" = "a  b" && test "$2" = "$(printf "*\\n;\\"")"', "sh", "a  b", '*\n;"'],
            0,
            id="arguments with spaces, quotes and line breaks",
        ),
    ],
)
def test_the_supervisor_exits_with_the_code_of_the_command(
    pod: SimpleNamespace, command: list[str], expected: int
) -> None:
    """Kubernetes and the sidecar see the exit code of the user's command, whatever its arguments contain."""
    assert supervise(pod, *command).wait() == expected
    assert (pod.shared / "state/exit-code").read_text() == f"{expected}\n"


def test_programs_of_the_image_run_and_not_those_of_busybox(pod: SimpleNamespace, tmp_path: Path) -> None:
    """Busybox never replaces a program of the user's image, not even `sh`."""
    program = tmp_path / "bin" / "tar"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    assert supervise(pod, "tar", env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}).wait() == 7


def test_a_child_that_outlives_the_command_does_not_hold_the_pipe(pod: SimpleNamespace) -> None:
    """The sidecar notices the end of the command, and does not wait for a child that the command left behind."""
    trainer = supervise(pod, "sh", "-c", "sleep 30 & exit 0")
    assert trainer.wait() == 0
    assert sidecar(pod).wait(60) == EXIT_FINAL
    assert reported_failure(pod).reason == "NoModelWritten"
    os.killpg(trainer.pid, signal.SIGKILL)


def test_sigterm_reaches_the_command_and_its_exit_code_counts(pod: SimpleNamespace) -> None:
    """A trainer that saves its work at SIGTERM and exits with a code of its own is reported with that code."""
    code = (
        "import signal,sys,time; signal.signal(15, lambda *_: sys.exit(9)); print('ready', flush=True); time.sleep(30)"
    )
    trainer = supervise(pod, PYTHON, "-c", code, stdout=subprocess.PIPE)
    assert read_line(trainer) == "ready\n"
    os.killpg(trainer.pid, signal.SIGTERM)
    assert trainer.wait(60) == 9


def test_many_signals_do_not_change_the_exit_code(pod: SimpleNamespace) -> None:
    """Signals that arrive while the command ends never replace its exit code by the shell's."""
    code = (
        "import os,signal,time\n"
        "count = 0\n"
        "def handle(*_):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 3: os._exit(5)\n"
        "signal.signal(15, handle); print('ready', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    for _ in range(5):
        trainer = supervise(pod, PYTHON, "-c", code, stdout=subprocess.PIPE)
        read_line(trainer)
        while trainer.poll() is None:
            os.killpg(trainer.pid, signal.SIGTERM)
            time.sleep(0.002)
        assert trainer.returncode == 5


def test_tini_forwards_sigterm_and_the_exit_code(pod: SimpleNamespace) -> None:
    """In a Pod the supervisor runs under tini: SIGTERM must reach the command, and its exit code must come back."""
    if pod.tini is None:
        pytest.skip("no tini: install tini or set MODELOPS_TEST_TINI")
    code = (
        "import signal,sys,time; signal.signal(15, lambda *_: sys.exit(9)); print('ready', flush=True); time.sleep(30)"
    )
    trainer = supervise(pod, PYTHON, "-c", code, tini=True, stdout=subprocess.PIPE)
    assert read_line(trainer) == "ready\n"
    trainer.terminate()
    assert trainer.wait(60) == 9


def test_the_sidecar_notices_a_killed_supervisor(pod: SimpleNamespace) -> None:
    """When the kernel kills every process of the trainer, no exit code is written, and the run still gets a reason."""
    trainer = supervise(pod, "sleep", "30")
    wait_for((pod.shared / "state/started").exists)
    waiting = sidecar(pod)
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait()
    assert waiting.wait(60) == 0
    assert reported_failure(pod).reason == "TrainerKilled"
    assert "memory" in reported_failure(pod).message


def test_the_sidecar_waits_for_a_trainer_that_starts_late(pod: SimpleNamespace) -> None:
    """A sidecar that starts first does not mistake a trainer that has not started for a trainer that has ended."""
    install(("busybox",), ("supervise.sh",))
    waiting = sidecar(pod)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    supervise(pod, "sh", "-c", "exit 3").wait()
    assert waiting.wait(60) == 0
    assert reported_failure(pod).message == "the trainer exited with code 3"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"the label column is empty\n", "the label column is empty", id="a sentence"),
        pytest.param(b"\xff\x00bad" + b"x" * 5000, "\ufffd bad" + "x" * 995, id="long text that is not UTF-8"),
        pytest.param(b"", "the trainer exited with code 1", id="an empty file"),
    ],
)
def test_the_failure_file_is_the_message(pod: SimpleNamespace, content: bytes, expected: str) -> None:
    """As in SageMaker's contract, a person reads the trainer's own text, shortened and made valid."""
    (pod.ml / "output/failure").write_bytes(content)
    supervise(pod, "false").wait()
    assert sidecar(pod).wait(60) == 0
    assert reported_failure(pod).reason == "TrainerFailed"
    assert reported_failure(pod).message == expected


def write_invalid_metrics(ml: Path) -> None:
    (ml / "model/a").touch()
    (ml / "output/metrics.json").write_text("[]")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda ml: (ml / "model/empty").mkdir(), "NoModelWritten", id="no file at all"),
        pytest.param(lambda ml: (ml / "model/link").symlink_to("/etc/passwd"), "InvalidModel", id="a link"),
        pytest.param(lambda ml: os.mkfifo(ml / "model/fifo"), "InvalidModel", id="a pipe"),
        pytest.param(lambda ml: (ml / "model/a\nb").touch(), "InvalidModel", id="a name with a line break"),
        pytest.param(write_invalid_metrics, "InvalidMetrics", id="metrics that are not an object"),
    ],
)
def test_a_model_that_cannot_be_published_has_its_reason(
    pod: SimpleNamespace, prepare: Callable[[Path], object], reason: str
) -> None:
    """A mistake in the training script fails the run with its reason, and is not retried."""
    supervise(pod, "true").wait()
    prepare(pod.ml)
    assert sidecar(pod).wait(60) == EXIT_FINAL
    assert reported_failure(pod).reason == reason


def test_an_unreachable_store_is_worth_a_retry(pod: SimpleNamespace) -> None:
    """A store that stays unreachable past the timeout fails the attempt, and the message names the store."""
    (pod.ml / "model/model.bin").write_bytes(b"model")
    supervise(pod, "true").wait()
    assert sidecar(pod).wait(60) == EXIT_RETRY
    assert reported_failure(pod).reason == "PublishFailed"
    assert "http://127.0.0.1:9" in reported_failure(pod).message


def test_sigterm_ends_a_waiting_sidecar_at_once(pod: SimpleNamespace) -> None:
    """A deleted Pod does not last for its whole grace period."""
    install(("busybox",), ("supervise.sh",))
    waiting = sidecar(pod, stopSeconds=600)
    assert "waiting" in read_line(waiting)
    waiting.terminate()
    assert waiting.wait(60) == EXIT_RETRY
    assert reported_failure(pod).reason == "Terminated"


def test_sigterm_while_the_sidecar_starts_is_not_lost(pod: SimpleNamespace) -> None:
    """A Pod may be evicted in its first second: files that the trainer wrote by then are saved all the same."""
    install(("busybox",), ("supervise.sh",))
    starting = sidecar(pod)
    wait_for(lambda: blocks_signal(starting.pid, signal.SIGTERM))
    starting.terminate()
    assert starting.wait(60) == EXIT_RETRY
    assert starting.stdout is not None
    assert "waiting for the trainer" in starting.stdout.read()
    assert reported_failure(pod).reason == "Terminated"


def blocks_signal(pid: int, number: signal.Signals) -> bool:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigBlk"], 16) >> (number - 1) & 1)


def test_a_failure_file_that_is_a_link_is_not_followed(pod: SimpleNamespace, tmp_path: Path) -> None:
    """The sidecar can read credentials that the trainer cannot: a link must not copy them into the status."""
    (tmp_path / "key").write_text("secret")
    (pod.ml / "output/failure").symlink_to(tmp_path / "key")
    supervise(pod, "false").wait()
    assert sidecar(pod).wait(60) == 0
    assert reported_failure(pod).message == "the trainer exited with code 1"


def run_sidecar_to_its_end(task: str) -> "subprocess.CompletedProcess[bytes]":
    environment = os.environ | {"PYTHONPATH": str(OPERATOR), "MODELOPS_TASK": task}
    return subprocess.run([PYTHON, "-m", "modelops.worker", "sidecar"], env=environment, capture_output=True)


def test_an_invalid_task_is_reported(pod: SimpleNamespace) -> None:
    """A mistake of the operator shows in the status, and is not retried."""
    assert run_sidecar_to_its_end('{"store": {}}').returncode == EXIT_FINAL
    assert reported_failure(pod).message == "MODELOPS_TASK: store.bucket: Field required"


def test_a_bug_of_the_worker_is_reported(pod: SimpleNamespace) -> None:
    """The operator gets a report whatever goes wrong, and the log has the stack."""
    # A supervisor that left no pipe is a case that the worker does not foresee.
    (pod.shared / "state/started").mkdir(parents=True)
    ended = run_sidecar_to_its_end(
        '{"store": {"bucket": "ml"}, "publishTimeoutSeconds": 1, "checkpoints": "s3://ml/runs/one/"}'
    )
    assert ended.returncode == EXIT_RETRY
    assert reported_failure(pod).reason == "WorkerError"
    assert b"Traceback" in ended.stderr
