"""What the monitor tells Prometheus."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import generate_latest

from modelops.monitor.metrics import Monitor
from modelops.monitor.settings import Settings


class Model(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def monitor(port: int, **more: str) -> Monitor:
    given = {"MODEL_PORT": str(port), **more}
    return Monitor(Settings.from_environment({f"MODELOPS_{name}": value for name, value in given.items()}))


def test_it_says_what_is_served():
    """A figure of any Pod can be joined to the model version and the bytes behind it."""
    told = monitor(1, MODEL_NAME="approval", MODEL_VERSION="approval-1", INFERENCE_SERVICE="approvals", REVISION="ab")
    text = generate_latest(told.registry).decode()
    line = next(line for line in text.splitlines() if line.startswith("modelops_model_info{"))
    for label in ('inferenceservice="approvals"', 'model="approval"', 'modelversion="approval-1"', 'revision="ab"'):
        assert label in line
    assert "process_resident_memory_bytes" in text


def test_it_counts_its_restarts():
    """The supervisor's count, which the monitor itself could not keep."""
    told = monitor(1, MONITOR_RESTARTS="3")
    assert told.registry.get_sample_value("modelops_monitor_restarts_total") == 3


def test_it_says_whether_the_model_is_ready(model):
    ready, refusing, absent = monitor(model, READINESS_PATH="/ready"), monitor(model, READINESS_PATH="/no"), monitor(1)
    assert [one.probe() for one in (ready, refusing, absent)] == [True, False, False]
    assert ready.registry.get_sample_value("modelops_model_up") == 1
    assert absent.registry.get_sample_value("modelops_model_up") == 0
