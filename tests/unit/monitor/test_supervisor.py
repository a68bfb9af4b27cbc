"""The container's first process: it terminates with Envoy, and never because of the monitor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.checkout import OPERATOR

SUPERVISE = """
import sys
from modelops.monitor.routes_check import RoutesCheck
from modelops.monitor.supervisor import Supervisor
sys.exit(Supervisor({envoy!r}, {monitor!r}, 2**30, RoutesCheck({routes!r}, {file!r})).run())
"""
SH = "/bin/sh"
Supervise = Callable[[str, str], subprocess.Popen[str]]


def supervision(envoy: list[str], monitor: list[str], routes: str = "exit 0", file: str = SH) -> str:
    """Return the program of a supervisor whose check of the routes is a shell script."""
    return SUPERVISE.format(envoy=envoy, monitor=monitor, routes=[SH, "-c", routes], file=file)


@pytest.fixture
def supervise() -> Iterator[Supervise]:
    started: list[subprocess.Popen[str]] = []

    def start(envoy: str, monitor: str) -> subprocess.Popen[str]:
        code = supervision(envoy=[SH, "-c", envoy], monitor=[SH, "-c", monitor])
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(OPERATOR)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -SEGV $$", 139)],
)
def test_the_container_terminates_with_envoys_exit_code(supervise: Supervise, end: str, code: int) -> None:
    """The kubelet learns how Envoy terminated, including the number of a signal."""
    assert supervise(f"sleep 0.2; {end}", "exec sleep 60").wait(60) == code


def test_no_child_outlives_the_container(supervise: Supervise, tmp_path: Path) -> None:
    """A monitor without Envoy has nothing to watch."""
    pid = tmp_path / "pid"
    assert (
        supervise(f"while [ ! -s {pid} ]; do sleep 0.05; done; exit 3", f"echo $$ > {pid}; exec sleep 60").wait(10) == 3
    )
    status = Path(f"/proc/{pid.read_text().strip()}/status")
    until = time.monotonic() + 5
    while status.exists() and "State:	Z" not in status.read_text():  # a zombie if no process reaps orphans
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_monitor_is_restarted_and_given_the_count_of_restarts(supervise: Supervise, tmp_path: Path) -> None:
    """A crash of the monitor does not affect Envoy, and appears in the metrics."""
    log = tmp_path / "log"
    process = supervise("exec sleep 60", f"echo $MODELOPS_MONITOR_RESTARTS >> {log}; exit 1")
    until = time.monotonic() + 10
    while not (log.exists() and len(log.read_text().split()) >= 2):
        assert time.monotonic() < until, "the monitor was not restarted"
        time.sleep(0.05)
    assert log.read_text().split()[:2] == ["0", "1"]
    assert process.poll() is None


def test_a_monitor_that_cannot_be_started_does_not_affect_envoy() -> None:
    """A broken image of the monitor still serves."""
    code = supervision(envoy=[SH, "-c", "sleep 0.5; exit 4"], monitor=["/nowhere/python"])
    environment = {**os.environ, "PYTHONPATH": str(OPERATOR)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=10, check=False).returncode == 4


def test_the_monitors_memory_is_bounded_and_envoys_is_not(supervise: Supervise, tmp_path: Path) -> None:
    """A leak of the monitor must not take memory from Envoy."""
    first, second = tmp_path / "monitor", tmp_path / "envoy"
    limited = "while [ $(ulimit -v) = unlimited ]; do sleep 0.05; done"
    supervise(f"sleep 1; ulimit -v > {second}; exec sleep 60", f"{limited}; ulimit -v > {first}; exec sleep 60")
    until = time.monotonic() + 60
    while not (first.exists() and first.read_text().strip() and second.exists() and second.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert int(first.read_text()) == 2**30 // 1024
    assert second.read_text().strip() != first.read_text().strip()


def test_the_monitors_threads_have_small_stacks_after_a_restart_too(supervise: Supervise, tmp_path: Path) -> None:
    """On a large machine gRPC's threads would use up the address space. Envoy's stacks are unchanged."""
    log = tmp_path / "log"
    supervise(f"echo envoy $(ulimit -s) >> {log}; exec sleep 60", f"echo monitor $(ulimit -s) >> {log}; exit 1")
    until = time.monotonic() + 10
    while not (log.exists() and len(log.read_text().splitlines()) >= 3):
        assert time.monotonic() < until
        time.sleep(0.05)
    limits = dict(line.split() for line in log.read_text().splitlines())
    usual = subprocess.run([SH, "-c", "ulimit -s"], capture_output=True, text=True, check=True).stdout.strip()
    assert limits == {"envoy": usual, "monitor": "1024"}


def test_sigterm_is_passed_on_to_envoy_and_the_monitor(supervise: Supervise, tmp_path: Path) -> None:
    """The first process of a container ignores SIGTERM by default."""
    log = tmp_path / "log"
    script = f"trap 'echo {{}} >> {log}; exit 0' TERM; echo up >> {log}; while :; do sleep 0.05; done"
    process = supervise(script.format("envoy"), script.format("monitor"))
    until = time.monotonic() + 10
    while not (log.exists() and log.read_text().count("up") == 2):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert {"envoy", "monitor"} <= set(log.read_text().split())


def test_a_monitor_that_ignores_sigterm_is_killed(supervise: Supervise, tmp_path: Path) -> None:
    """The container terminates within seconds, whatever the monitor does."""
    up = tmp_path / "up"
    process = supervise("exec sleep 60", f"trap '' TERM; touch {up}; while :; do sleep 0.05; done")
    while not up.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("code", "starts"),
    [
        pytest.param(0, True, id="accepted routes"),
        pytest.param(3, True, id="refused routes beside those of the previous run"),
        pytest.param(4, False, id="refused routes, and none before"),
    ],
)
def test_envoy_starts_once_it_has_routes(tmp_path: Path, code: int, starts: bool) -> None:
    """Without routes every request would be answered with 404, by a Pod that is ready."""
    file, checked = tmp_path / "routes", tmp_path / "checked"
    program = supervision(
        envoy=[SH, "-c", "exit 7"],
        monitor=[SH, "-c", "exec sleep 60"],
        routes=f"echo x >> {checked}; exit {code}",
        file=str(file),
    )
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(OPERATOR)})
    try:
        file.write_text("{}")
        if starts:
            assert process.wait(30) == 7
        else:
            wait_until(checked.exists)
            file.unlink()
            file.write_text("[]")
            wait_until(lambda: len(checked.read_text().split()) == 2)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
