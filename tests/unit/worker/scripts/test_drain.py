"""The preStop hook waits for requests in flight before the model stops, and never blocks a Pod for good."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from modelops.worker.runtime.installing import install


class Admin(ThreadingHTTPServer):
    """The parts of Envoy's admin interface that the hook uses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.active_requests = 0
        self.silent_for = 0
        """How many more requests get no response before nc gives up."""


class Handler(BaseHTTPRequestHandler):
    server: Admin

    def do_POST(self) -> None:
        self._answer("OK\n")

    def do_GET(self) -> None:
        self._answer(f"http.ingress.downstream_rq_active: {self.server.active_requests}\n")

    def _answer(self, text: str) -> None:
        if self.server.silent_for > 0:
            self.server.silent_for -= 1
            time.sleep(4)
            return
        self.server.requests.append(f"{self.command} {self.path}")
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


def drain(
    pod: SimpleNamespace, port: int, *, max_seconds: int = 600, min_seconds: int = 0
) -> "subprocess.Popen[bytes]":
    """Start the hook. Its greatest time is longer than any wait for it: it must not end for that reason."""
    install(("busybox",), ("drain.sh",))
    script = pod.shared / "bin/drain.sh"
    text, changes = re.subn("port=15000", f"port={port}", script.read_text())
    assert changes
    script.write_text(text)
    seconds_before = "0"
    return subprocess.Popen(
        [str(pod.shared / "bin/busybox"), "sh", str(script), seconds_before, str(max_seconds), str(min_seconds)]
    )


def test_the_hook_waits_for_requests_in_flight(pod: SimpleNamespace, admin: Admin) -> None:
    """The hook starts Envoy's drain, and ends when the last request is answered, not before."""
    admin.active_requests = 2
    hook = drain(pod, admin.server_port)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(0.8)
    admin.active_requests = 0
    assert hook.wait(60) == 0
    assert admin.requests[0] == "POST /drain_listeners?graceful&skip_exit"
    assert admin.requests[1] == "GET /stats?filter=http.ingress.downstream_rq_active&format=text"


def test_the_hook_asks_again_when_envoy_is_late(pod: SimpleNamespace, admin: Admin) -> None:
    """On a busy node Envoy may take seconds to answer. Without its drain, requests arrive until the model ends."""
    admin.active_requests = 1
    admin.silent_for = 2
    hook = drain(pod, admin.server_port)
    wait_for_requests(admin, 1)
    assert admin.requests[0] == "POST /drain_listeners?graceful&skip_exit"
    admin.silent_for = 2
    wait_for_requests(admin, len(admin.requests) + 2)
    assert all(request.startswith("GET ") for request in admin.requests[1:])
    assert hook.poll() is None
    admin.active_requests = 0
    assert hook.wait(60) == 0


def wait_for_requests(admin: Admin, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(admin.requests) < count:
        assert time.monotonic() < deadline, f"only {admin.requests} arrived"
        time.sleep(0.05)


def test_the_hook_lasts_as_long_as_other_proxies_keep_a_connection(pod: SimpleNamespace, admin: Admin) -> None:
    """The proxy of another Pod may use an idle connection once more; that request must not find the model stopped."""
    hook = drain(pod, admin.server_port, min_seconds=2)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(1.6)
    assert admin.requests == ["POST /drain_listeners?graceful&skip_exit"]
    assert hook.wait(60) == 0


def test_the_hook_ends_after_its_maximum_time(pod: SimpleNamespace, admin: Admin) -> None:
    """A request that never ends delays the Pod's termination only for a limited time."""
    admin.active_requests = 1
    assert drain(pod, admin.server_port, max_seconds=1).wait(20) == 0


def test_the_hook_ends_at_once_without_envoy(pod: SimpleNamespace) -> None:
    """A proxy that has already ended is no reason to wait, or to fail."""
    assert drain(pod, port=9).wait(60) == 0
