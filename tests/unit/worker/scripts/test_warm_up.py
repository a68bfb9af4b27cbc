"""The startup probe with warm-up requests: the model has answered them, or the Pod stays out and says why."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelops.api.inferenceservice import WarmUpRequest
from modelops.controllers.inferenceservice.pod.warm_up import request_files
from modelops.worker.runtime.installing import install


class Model(ThreadingHTTPServer):
    """A model that answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str, str]] = []
        self.looked = 0
        self.ready_after = 0
        self.statuses: dict[str, int] = {}


class Handler(BaseHTTPRequestHandler):
    server: Model
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/v2/health/ready":
            self.server.looked += 1
            self._answer(200 if self.server.looked > self.server.ready_after else 503)
        else:
            self._take("")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(0.1)
        assert self._asker_listens(), "a server may drop the answer to a client that has hung up"
        self._take(body)

    def _asker_listens(self) -> bool:
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) != b""
        except BlockingIOError:
            return True
        finally:
            self.connection.setblocking(True)

    def _take(self, body: str) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Content-Type", ""), body))
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


def warm_up(pod, port: int, *wanted: dict, patience: int = 5) -> subprocess.CompletedProcess:
    """Run the probe with these requests, as the kubelet does."""
    install(("busybox",), ("warm-up.sh",))
    script = pod.shared / "bin/warm-up.sh"
    text, changes = re.subn("patience=60", f"patience={patience}", script.read_text())
    assert changes
    script.write_text(text)
    directory = pod.shared / "requests"
    directory.mkdir()
    for name, content in request_files([WarmUpRequest.model_validate(one) for one in wanted]).items():
        (directory / name).write_bytes(content.encode())
    command = [str(pod.shared / "bin/busybox"), "sh", str(script), str(directory), str(port), "/v2/health/ready"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env={})


def test_the_model_gets_every_request_as_it_was_written(pod, model):
    """Method, path, type and body; in order; as often as asked for."""
    body = '{"text": "grüße $(touch pwned) `id` $HOME \\"%s\\" \'"}\n\n'
    done = warm_up(
        pod,
        model.server_port,
        {"path": "/v2/models/mortgage/infer?x=$(id)", "body": body, "repeat": 3},
        {"path": "/v2/models/mortgage"},
        {"path": "/csv", "body": "1,2", "contentType": "text/csv"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first = ("POST", "/v2/models/mortgage/infer?x=$(id)", "application/json", body)
    assert model.asked == [
        first,
        first,
        first,
        ("GET", "/v2/models/mortgage", "", ""),
        ("POST", "/csv", "text/csv", "1,2"),
    ]


def test_a_large_body(pod, model):
    """The longest that admission lets through."""
    body = "x" * 65536
    assert warm_up(pod, model.server_port, {"path": "/p", "body": body}).returncode == 0
    assert model.asked[0][3] == body


def test_it_waits_until_the_model_is_ready(pod, model):
    """A model that is still loading would answer the first request with an error."""
    model.ready_after = 2
    assert warm_up(pod, model.server_port, {"path": "/p"}).returncode == 0
    assert (model.looked, len(model.asked)) == (3, 1)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_answered_with_2xx_is_told_and_ends_it(pod, model, status):
    """The kubelet makes an Event of it, and probes again."""
    model.statuses["/bad"] = status
    done = warm_up(pod, model.server_port, {"path": "/good"}, {"path": "/bad", "body": "1"}, {"path": "/never"})
    assert done.returncode == 1
    assert done.stdout == f"warm-up request POST /bad was answered with {status}\n"
    assert [path for _, path, _, _ in model.asked] == ["/good", "/bad"]


def test_a_model_that_does_not_get_ready_is_told(pod, model):
    """Rather than a probe that only timed out."""
    model.ready_after = 1000
    done = warm_up(pod, model.server_port, {"path": "/p"}, patience=1)
    assert (done.returncode, done.stdout) == (1, "the model is not ready for its warm-up: 503\n")
    assert model.asked == []


def test_a_model_that_does_not_listen_is_told(pod):
    """The same before it has opened its port."""
    done = warm_up(pod, 9, {"path": "/p"}, patience=1)
    assert done.returncode == 1
    assert done.stdout.startswith("the model is not ready for its warm-up: ")
