"""The container's first process: its life is Envoy's, and the monitor's end never is the end of anything."""

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
from modelops.monitor.supervisor import Supervisor
sys.exit(Supervisor({envoy!r}, {monitor!r}, 2**30).run())
"""
SH = "/bin/sh"


@pytest.fixture
def supervise() -> Iterator[Callable[..., subprocess.Popen]]:
    started: list[subprocess.Popen] = []

    def start(envoy: str, monitor: str) -> subprocess.Popen:
        code = SUPERVISE.format(envoy=[SH, "-c", envoy], monitor=[SH, "-c", monitor])
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
    ("ends", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -SEGV $$", 139)],
)
def test_the_container_ends_with_envoys_exit_code(supervise, ends, code):
    """The kubelet learns how Envoy ended, a signal's number included."""
    assert supervise(f"sleep 0.2; {ends}", "exec sleep 60").wait(10) == code


def test_no_child_outlives_the_container(supervise, tmp_path):
    """With Envoy gone nothing is left to watch."""
    pid = tmp_path / "pid"
    assert (
        supervise(f"while [ ! -s {pid} ]; do sleep 0.05; done; exit 3", f"echo $$ > {pid}; exec sleep 60").wait(10) == 3
    )
    status = Path(f"/proc/{pid.read_text().strip()}/status")
    until = time.monotonic() + 5
    while status.exists() and "State:	Z" not in status.read_text():  # a zombie where nobody reaps orphans
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_monitor_is_started_again_and_told_how_often(supervise, tmp_path):
    """Its end costs Envoy nothing, and the count reaches the figures."""
    log = tmp_path / "log"
    process = supervise("exec sleep 60", f"echo $MODELOPS_MONITOR_RESTARTS >> {log}; exit 1")
    until = time.monotonic() + 10
    while not (log.exists() and len(log.read_text().split()) >= 2):
        assert time.monotonic() < until, "the monitor was not started again"
        time.sleep(0.05)
    assert log.read_text().split()[:2] == ["0", "1"]
    assert process.poll() is None


def test_a_monitor_that_cannot_be_started_ends_nothing(supervise):
    """A broken image of the monitor's code still serves."""
    code = SUPERVISE.format(envoy=[SH, "-c", "sleep 0.5; exit 4"], monitor=["/nowhere/python"])
    environment = {**os.environ, "PYTHONPATH": str(OPERATOR)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=10, check=False).returncode == 4


def test_the_monitors_memory_is_bounded_and_envoys_is_not(supervise, tmp_path):
    """What the monitor takes too much of is its own trouble."""
    first, second = tmp_path / "monitor", tmp_path / "envoy"
    supervise(f"ulimit -v > {second}; exec sleep 60", f"sleep 0.3; ulimit -v > {first}; exec sleep 60")
    until = time.monotonic() + 10
    while not (first.exists() and first.read_text().strip() and second.exists() and second.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert int(first.read_text()) == 2**30 // 1024
    assert second.read_text().strip() != first.read_text().strip()


def test_the_monitors_threads_have_small_stacks_at_every_start(supervise, tmp_path):
    """GRPC's threads would use up its address space on a large machine. Envoy's are as usual."""
    log = tmp_path / "log"
    supervise(f"echo envoy $(ulimit -s) >> {log}; exec sleep 60", f"echo monitor $(ulimit -s) >> {log}; exit 1")
    until = time.monotonic() + 10
    while not (log.exists() and len(log.read_text().splitlines()) >= 3):
        assert time.monotonic() < until
        time.sleep(0.05)
    told = dict(line.split() for line in log.read_text().splitlines())
    usual = subprocess.run([SH, "-c", "ulimit -s"], capture_output=True, text=True, check=True).stdout.strip()
    assert told == {"envoy": usual, "monitor": "1024"}


def test_a_request_to_end_reaches_both(supervise, tmp_path):
    """SIGTERM is passed on, to a first process that would otherwise ignore it."""
    log = tmp_path / "log"
    told = f"trap 'echo {{}} >> {log}; exit 0' TERM; echo up >> {log}; while :; do sleep 0.05; done"
    process = supervise(told.format("envoy"), told.format("monitor"))
    until = time.monotonic() + 10
    while not (log.exists() and log.read_text().count("up") == 2):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert {"envoy", "monitor"} <= set(log.read_text().split())


def test_a_monitor_that_does_not_end_is_ended(supervise, tmp_path):
    """The container ends within seconds, whatever the monitor does."""
    up = tmp_path / "up"
    process = supervise("exec sleep 60", f"trap '' TERM; touch {up}; while :; do sleep 0.05; done")
    while not up.exists():
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 5
