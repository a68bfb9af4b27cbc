"""The startup probe sends warm-up requests: until the model has answered them, the Pod gets no traffic."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from modelops.api.inferenceservice import WarmUpRequest
from modelops.controllers.inferenceservice.pod.warm_up import request_files
from modelops.worker.runtime.installing import install


class Model(ThreadingHTTPServer):
    """Model server whose readiness and statuses a test sets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, str, str]] = []
        self.readiness_checks = 0
        self.ready_after_checks = 0
        self.statuses: dict[str, int] = {}


class Handler(BaseHTTPRequestHandler):
    server: Model
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/v2/health/ready":
            self.server.readiness_checks += 1
            self._answer(200 if self.server.readiness_checks > self.server.ready_after_checks else 503)
        else:
            self._record("")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(0.1)
        assert self._client_listens(), "a server may drop the response to a client that has closed its side"
        self._record(body)

    def _client_listens(self) -> bool:
        self.connection.setblocking(False)
        try:
            received: bytes = self.connection.recv(1)
            return received != b""
        except BlockingIOError:
            return True
        finally:
            self.connection.setblocking(True)

    def _record(self, body: str) -> None:
        self.server.requests.append((self.command, self.path, self.headers.get("Content-Type", ""), body))
        self._answer(self.server.statuses.get(self.path, 200))

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def warm_up(
    pod: SimpleNamespace, port: int, *warm_up_requests: dict[str, Any], ready_timeout: int = 5
) -> subprocess.CompletedProcess[str]:
    """Run the probe with some requests, as the kubelet does."""
    install(("busybox",), ("warm-up.sh",))
    script = pod.shared / "bin/warm-up.sh"
    text, changes = re.subn("ready_timeout=60", f"ready_timeout={ready_timeout}", script.read_text())
    assert changes
    script.write_text(text)
    directory = pod.shared / "requests"
    directory.mkdir()
    for name, content in request_files([WarmUpRequest.model_validate(request) for request in warm_up_requests]).items():
        (directory / name).write_bytes(content.encode())
    command = [str(pod.shared / "bin/busybox"), "sh", str(script), str(directory), str(port), "/v2/health/ready"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env={})


def test_the_model_gets_every_request_exactly_as_written(pod: SimpleNamespace, model: Model) -> None:
    """Method, path, content type and body arrive unchanged, in order, and as often as `repeat` says."""
    body = '{"text": "grüße $(touch pwned) `id` $HOME \\"%s\\" \'"}\n\n'
    probe = warm_up(
        pod,
        model.server_port,
        {"path": "/v2/models/mortgage/infer?x=$(id)", "body": body, "repeat": 3},
        {"path": "/v2/models/mortgage"},
        {"path": "/csv", "body": "1,2", "contentType": "text/csv"},
    )
    assert (probe.returncode, probe.stdout, probe.stderr) == (0, "", "")
    first = ("POST", "/v2/models/mortgage/infer?x=$(id)", "application/json", body)
    assert model.requests == [
        first,
        first,
        first,
        ("GET", "/v2/models/mortgage", "", ""),
        ("POST", "/csv", "text/csv", "1,2"),
    ]


def test_a_body_of_the_largest_size_arrives(pod: SimpleNamespace, model: Model) -> None:
    """The largest body that admission accepts can be sent."""
    body = "x" * 65536
    assert warm_up(pod, model.server_port, {"path": "/p", "body": body}).returncode == 0
    assert model.requests[0][3] == body


def test_requests_are_sent_once_the_model_is_ready(pod: SimpleNamespace, model: Model) -> None:
    """A model that is still loading would answer the first request with an error."""
    model.ready_after_checks = 2
    assert warm_up(pod, model.server_port, {"path": "/p"}).returncode == 0
    assert (model.readiness_checks, len(model.requests)) == (3, 1)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_response_other_than_2xx_ends_the_probe_with_a_message(
    pod: SimpleNamespace, model: Model, status: int
) -> None:
    """The kubelet shows the message in an Event, and probes again."""
    model.statuses["/bad"] = status
    probe = warm_up(pod, model.server_port, {"path": "/good"}, {"path": "/bad", "body": "1"}, {"path": "/never"})
    assert probe.returncode == 1
    assert probe.stdout == f"warm-up request POST /bad was answered with {status}\n"
    assert [path for _, path, _, _ in model.requests] == ["/good", "/bad"]


def test_a_model_that_does_not_become_ready_is_reported(pod: SimpleNamespace, model: Model) -> None:
    """The Event says more than that the probe has timed out."""
    model.ready_after_checks = 1000
    probe = warm_up(pod, model.server_port, {"path": "/p"}, ready_timeout=1)
    assert (probe.returncode, probe.stdout) == (1, "the model is not ready for its warm-up: 503\n")
    assert model.requests == []


def test_a_model_that_does_not_listen_is_reported(pod: SimpleNamespace) -> None:
    """A model that has not opened its port is reported like a model that is not ready."""
    probe = warm_up(pod, 9, {"path": "/p"}, ready_timeout=1)
    assert probe.returncode == 1
    assert probe.stdout.startswith("the model is not ready for its warm-up: ")
