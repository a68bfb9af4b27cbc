"""Prometheus metrics of the monitor."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import generate_latest

from modelops.monitor.metrics import ModelMetrics
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


def metrics_of(port: int, **more: str) -> ModelMetrics:
    given = {"MODEL_PORT": str(port), **more}
    return ModelMetrics(Settings.from_environment({f"MODELOPS_{name}": value for name, value in given.items()}))


def test_model_info_identifies_the_model_version() -> None:
    """Any Pod's metrics can be joined with the model version and its digest."""
    metrics = metrics_of(
        1, MODEL_NAME="approval", MODEL_VERSION="approval-1", INFERENCE_SERVICE="approvals", REVISION="ab"
    )
    text = generate_latest(metrics.registry).decode()
    line = next(line for line in text.splitlines() if line.startswith("modelops_model_info{"))
    for label in ('inferenceservice="approvals"', 'model="approval"', 'modelversion="approval-1"', 'revision="ab"'):
        assert label in line
    assert "process_resident_memory_bytes" in text


def test_restarts_are_counted() -> None:
    """The supervisor passes the count, since the monitor cannot keep it over a restart."""
    metrics = metrics_of(1, MONITOR_RESTARTS="3")
    assert metrics.registry.get_sample_value("modelops_monitor_restarts_total") == 3


def test_the_models_readiness_is_probed(model: int) -> None:
    ready, unready, absent = (
        metrics_of(model, READINESS_PATH="/ready"),
        metrics_of(model, READINESS_PATH="/no"),
        metrics_of(1),
    )
    assert [metrics.probe() for metrics in (ready, unready, absent)] == [True, False, False]
    assert ready.registry.get_sample_value("modelops_model_up") == 1
    assert absent.registry.get_sample_value("modelops_model_up") == 0
