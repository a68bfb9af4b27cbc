"""The preStop hook: requests in flight end before the model does, and nothing ever holds a Pod back for good."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelops.worker.runtime.installing import install


class Admin(ThreadingHTTPServer):
    """The parts of Envoy's admin interface that the hook uses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.active = 0


class Handler(BaseHTTPRequestHandler):
    server: Admin

    def do_POST(self) -> None:
        self._answer("OK\n")

    def do_GET(self) -> None:
        self._answer(f"http.ingress.downstream_rq_active: {self.server.active}\n")

    def _answer(self, text: str) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[Admin]:
    server = Admin()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def drain(pod, port: int, most: int = 10, least: int = 0) -> subprocess.Popen:
    install(("busybox",), ("drain.sh",))
    script = pod.shared / "bin/drain.sh"
    text, changes = re.subn("port=15000", f"port={port}", script.read_text())
    assert changes
    script.write_text(text)
    return subprocess.Popen([str(pod.shared / "bin/busybox"), "sh", str(script), "0", str(most), str(least)])


def test_it_waits_for_requests_in_flight(pod, admin):
    """The hook asks Envoy to drain, and ends when the last request has been answered, not before."""
    admin.active = 2
    hook = drain(pod, admin.server_port)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(0.8)
    admin.active = 0
    assert hook.wait(3) == 0
    assert admin.asked[0] == "POST /drain_listeners?graceful&skip_exit"
    assert admin.asked[1] == "GET /stats?filter=http.ingress.downstream_rq_active&format=text"


def test_it_lasts_as_long_as_others_may_keep_a_connection(pod, admin):
    """Another Pod's proxy may use an idle connection once more, which must not meet a model that has ended."""
    hook = drain(pod, admin.server_port, least=2)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(1.6)
    assert admin.asked == ["POST /drain_listeners?graceful&skip_exit"]
    assert hook.wait(3) == 0


def test_it_gives_up_in_time(pod, admin):
    """A request that never ends holds the Pod back for so long and no longer."""
    admin.active = 1
    began = time.monotonic()
    assert drain(pod, admin.server_port, most=1).wait(6) == 0
    assert time.monotonic() - began < 4


def test_without_envoy_it_ends_at_once(pod):
    """A proxy that is gone already is no reason to wait, or to fail."""
    assert drain(pod, 9).wait(3) == 0
