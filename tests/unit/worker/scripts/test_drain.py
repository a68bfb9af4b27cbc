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


class Proxy(ThreadingHTTPServer):
    """The proxy's drain listener."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.active_requests = 0
        self.silent_for = 0
        """How many more requests get no response before nc gives up."""


class Handler(BaseHTTPRequestHandler):
    server: Proxy

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
def proxy() -> Iterator[Proxy]:
    server = Proxy()
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


def test_the_hook_waits_for_requests_in_flight(pod: SimpleNamespace, proxy: Proxy) -> None:
    """The hook starts Envoy's drain, and ends when the last request is answered, not before."""
    proxy.active_requests = 2
    hook = drain(pod, proxy.server_port)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(0.8)
    proxy.active_requests = 0
    assert hook.wait(60) == 0
    assert proxy.requests[0] == "POST /drain"
    assert proxy.requests[1] == "GET /active"


def test_the_hook_asks_again_when_envoy_is_late(pod: SimpleNamespace, proxy: Proxy) -> None:
    """On a busy node Envoy may take seconds to answer. Without its drain, requests arrive until the model ends."""
    proxy.active_requests = 1
    proxy.silent_for = 2
    hook = drain(pod, proxy.server_port)
    wait_for_requests(proxy, 1)
    assert proxy.requests[0] == "POST /drain"
    proxy.silent_for = 2
    wait_for_requests(proxy, len(proxy.requests) + 2)
    assert all(request.startswith("GET ") for request in proxy.requests[1:])
    assert hook.poll() is None
    proxy.active_requests = 0
    assert hook.wait(60) == 0


def wait_for_requests(proxy: Proxy, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(proxy.requests) < count:
        assert time.monotonic() < deadline, f"only {proxy.requests} arrived"
        time.sleep(0.05)


def test_the_hook_lasts_as_long_as_other_proxies_keep_a_connection(pod: SimpleNamespace, proxy: Proxy) -> None:
    """The proxy of another Pod may use an idle connection once more; that request must not find the model stopped."""
    hook = drain(pod, proxy.server_port, min_seconds=2)
    with pytest.raises(subprocess.TimeoutExpired):
        hook.wait(1.6)
    assert proxy.requests == ["POST /drain"]
    assert hook.wait(60) == 0


def test_the_hook_ends_after_its_maximum_time(pod: SimpleNamespace, proxy: Proxy) -> None:
    """A request that never ends delays the Pod's termination only for a limited time."""
    proxy.active_requests = 1
    assert drain(pod, proxy.server_port, max_seconds=1).wait(20) == 0


def test_the_hook_ends_at_once_without_envoy(pod: SimpleNamespace) -> None:
    """A proxy that has already ended is no reason to wait, or to fail."""
    assert drain(pod, port=9).wait(60) == 0
