"""Lifecycle of the proxy: a crash of the monitor affects no request, and requests in flight are answered."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from support import tools
from support.checkout import ROOT
from support.proxy.proxies import Proxy

SCRIPT = ROOT / "operator/modelops/worker/scripts/drain.sh"


def test_a_killed_monitor_loses_no_request_and_is_restarted(proxy: Proxy) -> None:
    """Monitoring fails open: after `kill -9` of the monitor under load, every request is answered."""
    proxy.wait_until(lambda: proxy.request("/monitor/metrics", port=proxy.stats).status == 200)
    before = proxy.children()
    done = threading.Event()
    statuses: list[int] = []

    def load() -> None:
        while not done.is_set():
            statuses.append(proxy.request("/", "POST", b"x").status)
            time.sleep(0.005)

    thread = threading.Thread(target=load)
    thread.start()
    os.kill(before["monitor"], signal.SIGKILL)
    proxy.wait_until(lambda: proxy.children().get("monitor", before["monitor"]) != before["monitor"])
    restarted = b"modelops_monitor_restarts_total 1.0"
    proxy.wait_until(lambda: restarted in proxy.request("/monitor/metrics", port=proxy.stats).body)
    done.set()
    thread.join()
    assert len(statuses) > 50
    assert set(statuses) == {200}
    assert proxy.children()["envoy"] == before["envoy"]


def test_a_frozen_monitor_loses_no_request(proxy: Proxy) -> None:
    """A monitor that hangs affects requests as little as one that has crashed."""
    proxy.wait_until(lambda: proxy.request("/monitor/metrics", port=proxy.stats).status == 200)
    os.kill(proxy.children()["monitor"], signal.SIGSTOP)
    assert [proxy.request("/").status for _ in range(20)] == [200] * 20
    assert proxy.request("/metrics", port=proxy.stats).status == 200


def test_the_container_terminates_with_envoy(proxy: Proxy) -> None:
    """The kubelet restarts the container, and reports Envoy's exit code."""
    os.kill(proxy.children()["envoy"], signal.SIGKILL)
    assert proxy.process.wait(60) == 137


def test_sigterm_terminates_the_container_without_a_drain(proxy: Proxy) -> None:
    """The model has terminated before, so no request is left to wait for. A drain would last 20 seconds."""
    proxy.wait_until(lambda: "monitor" in proxy.children())
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(15) == 0


def test_the_container_restarts_with_the_files_of_the_previous_run(proxy: Proxy) -> None:
    """A restarted container finds the /tmp of the previous one."""
    os.kill(proxy.children()["envoy"], signal.SIGKILL)
    proxy.process.wait(60)
    command = ["-c", "import os, sys; os.execv(sys.executable, [sys.executable, '-m', 'modelops.monitor'])"]
    with proxy.log.open("ab") as log:
        proxy.process = subprocess.Popen(
            [sys.executable, *command], env=proxy.environment, stdout=log, stderr=log, process_group=0
        )
    try:
        proxy.wait_until(lambda: proxy.request("/").status == 200)
    finally:
        proxy.process.terminate()
        assert proxy.process.wait(60) == 0


def test_an_invalid_setting_gives_one_line_with_the_variable(proxy: Proxy) -> None:
    """The log shows the variable's name, not a stack trace."""
    environment = {**proxy.environment, "MODELOPS_MODEL_PORT": "eighty"}
    completed = subprocess.run(
        [sys.executable, "-m", "modelops.monitor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert completed.returncode == 1
    assert re.match(r"MODELOPS_MODEL_PORT='eighty': Input should be a valid integer[^\n]*\n$", completed.stderr)


def test_the_models_drain_hook_waits_for_requests_in_flight(proxy: Proxy, tmp_path: Path) -> None:
    """The preStop hook waits for the model's last response, asks clients to reconnect, and rejects no request."""
    busybox = tools.find("busybox")
    assert busybox is not None, "install busybox-static or set MODELOPS_TEST_BUSYBOX"
    (tmp_path / "busybox").symlink_to(busybox)
    text, changes = re.subn("port=15000", f"port={proxy.loopback}", SCRIPT.read_text())
    assert changes == 1
    (tmp_path / "drain.sh").write_text(text)

    statuses: list[int] = []
    slow = threading.Thread(target=lambda: statuses.append(proxy.request("/slow").status))
    slow.start()
    assert proxy.model.arrived.wait(60)
    hook = subprocess.Popen([tmp_path / "busybox", "sh", tmp_path / "drain.sh", "0", "20", "0"])
    try:
        proxy.wait_until(lambda: proxy.request("/").headers.get("connection") == "close")
        assert proxy.request("/", "POST", b"late").body == b"late"
        assert proxy.request("/ready", port=proxy.stats).status == 200
        assert hook.poll() is None
        assert statuses == []
        proxy.model.proceed.set()
        slow.join()
        assert hook.wait(60) == 0
    finally:
        hook.kill()
        hook.wait()
    assert statuses == [200]
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(60) == 0
