"""How the proxy lives and ends: the monitor's death costs nothing, and requests in flight are answered."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

from support import tools
from support.checkout import ROOT

SCRIPT = ROOT / "operator/modelops/worker/scripts/drain.sh"


def test_a_killed_monitor_costs_no_request_and_comes_back(proxy):
    """Monitoring fails open: `kill -9` of the monitor under load, and every request is answered."""
    proxy.wait_until(lambda: proxy.ask("/monitor/metrics", port=proxy.stats).status == 200)
    before = proxy.children()
    done = threading.Event()
    answers: list[int] = []

    def load() -> None:
        while not done.is_set():
            answers.append(proxy.ask("/", "POST", b"x").status)
            time.sleep(0.005)

    thread = threading.Thread(target=load)
    thread.start()
    os.kill(before["monitor"], signal.SIGKILL)
    proxy.wait_until(lambda: proxy.children().get("monitor", before["monitor"]) != before["monitor"])
    restarted = b"modelops_monitor_restarts_total 1.0"
    proxy.wait_until(lambda: restarted in proxy.ask("/monitor/metrics", port=proxy.stats).body)
    done.set()
    thread.join()
    assert len(answers) > 50
    assert set(answers) == {200}
    assert proxy.children()["envoy"] == before["envoy"]


def test_a_frozen_monitor_costs_no_request(proxy):
    """A monitor that hangs is as good as none."""
    proxy.wait_until(lambda: proxy.ask("/monitor/metrics", port=proxy.stats).status == 200)
    os.kill(proxy.children()["monitor"], signal.SIGSTOP)
    assert [proxy.ask("/").status for _ in range(20)] == [200] * 20
    assert proxy.ask("/metrics", port=proxy.stats).status == 200


def test_the_container_ends_when_envoy_does(proxy):
    """Without Envoy there is nothing to keep: the kubelet starts the container again, and sees why."""
    os.kill(proxy.children()["envoy"], signal.SIGKILL)
    assert proxy.process.wait(5) == 137


def test_sigterm_ends_it_within_five_seconds(proxy):
    """It comes after the model has ended: there is nothing left to wait for."""
    proxy.wait_until(lambda: "monitor" in proxy.children())
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(5) == 0


def test_it_starts_again_where_its_configuration_is_left(proxy):
    """A container that is started again finds the /tmp of the one before."""
    os.kill(proxy.children()["envoy"], signal.SIGKILL)
    proxy.process.wait(5)
    command = ["-c", "import os, sys; os.execv(sys.executable, [sys.executable, '-m', 'modelops.monitor'])"]
    with proxy.log.open("ab") as log:
        proxy.process = subprocess.Popen(
            [sys.executable, *command], env=proxy.environment, stdout=log, stderr=log, process_group=0
        )
    try:
        proxy.wait_until(lambda: proxy.ask("/").status == 200)
    finally:
        proxy.process.terminate()
        assert proxy.process.wait(5) == 0


def test_a_wrong_setting_is_told_in_a_line(proxy):
    """Not a stack trace, but the variable's name."""
    environment = {**proxy.environment, "MODELOPS_MODEL_PORT": "eighty"}
    ended = subprocess.run(
        [sys.executable, "-m", "modelops.monitor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1
    assert re.match(r"MODELOPS_MODEL_PORT='eighty': Input should be a valid integer[^\n]*\n$", ended.stderr)


def test_the_models_drain_waits_for_requests_in_flight(proxy, tmp_path):
    """The preStop hook holds the model until its last answer is out, asks clients to go, and turns none away."""
    busybox = tools.find("busybox")
    assert busybox is not None, "install busybox-static or set MODELOPS_TEST_BUSYBOX"
    (tmp_path / "busybox").symlink_to(busybox)
    text, changes = re.subn("port=15000", f"port={proxy.admin}", SCRIPT.read_text())
    assert changes == 1
    (tmp_path / "drain.sh").write_text(text)

    answers = []
    slow = threading.Thread(target=lambda: answers.append(proxy.ask("/slow").status))
    slow.start()
    assert proxy.model.arrived.wait(10)
    hook = subprocess.Popen([tmp_path / "busybox", "sh", tmp_path / "drain.sh", "0", "20", "0"])
    try:
        proxy.wait_until(lambda: proxy.ask("/").headers.get("connection") == "close")
        assert proxy.ask("/", "POST", b"late").body == b"late"
        assert proxy.ask("/ready", port=proxy.stats).status == 200
        assert hook.poll() is None
        assert answers == []
        proxy.model.go.set()
        slow.join()
        assert hook.wait(5) == 0
    finally:
        hook.kill()
        hook.wait()
    assert answers == [200]
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(5) == 0
