"""HTTP server for the trainer's progress: /progress for the operator, /metrics for Prometheus."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from modelops.api.checkpoints import Checkpoint
from modelops.api.contract.eta import completed_ratio, estimated_end
from modelops.api.contract.tasks import PROGRESS_PORT
from modelops.worker.training.tailing import Tail

PORT_VARIABLE = "MODELOPS_PROGRESS_PORT"
_READ_INTERVAL_SECONDS = 1.0
_CLIENT_TIMEOUT_SECONDS = 5.0
_SHUTDOWN_POLL_SECONDS = 0.1
_log = logging.getLogger(__name__)


@contextmanager
def serve_progress(tail: Tail, checkpoints: Callable[[], list[Checkpoint]] = list) -> Iterator[None]:
    """Read the file regularly and answer requests, while the context lasts. No failure here reaches the training.

    The progress has what `checkpoints` returns.
    """
    stopping = threading.Event()
    threading.Thread(target=_follow, args=(tail, stopping), name="tail", daemon=True).start()
    server = _start_server(tail, checkpoints)
    try:
        yield
    finally:
        stopping.set()
        if server is not None:
            server.shutdown()
            server.server_close()


def read_new_lines(tail: Tail) -> None:
    """Read what the trainer has written since. A failure is logged, and does not reach the training."""
    try:
        tail.read()
    except Exception:
        _log.exception("metrics.jsonl cannot be read")


def _follow(tail: Tail, stopping: threading.Event) -> None:
    while not stopping.wait(_READ_INTERVAL_SECONDS):
        read_new_lines(tail)


def _start_server(tail: Tail, checkpoints: Callable[[], list[Checkpoint]]) -> "_Server | None":
    port = int(os.environ.get(PORT_VARIABLE, PROGRESS_PORT))
    try:
        server = _Server(port, tail, checkpoints)
    except OSError as error:
        _log.warning("progress cannot be served on port %d: %s", port, error)
        return None
    threading.Thread(target=server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), name="progress", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    """Listens on all addresses of the Pod, IPv4 and IPv6."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, tail: Tail, checkpoints: Callable[[], list[Checkpoint]]) -> None:
        self.tail = tail
        self.checkpoints = checkpoints
        self.registry = CollectorRegistry()
        self.registry.register(_ProgressCollector(tail))
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that closes its connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CLIENT_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/progress":
            report = self.server.tail.report().model_copy(update={"checkpoints": self.server.checkpoints()})
            self._answer("application/json", report.model_dump_json(by_alias=True, exclude_none=True).encode())
        elif path == "/metrics":
            self._answer(CONTENT_TYPE_LATEST, generate_latest(self.server.registry))
        else:
            self.send_error(404)

    def _answer(self, content_type: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: the operator's poll would add a line every few seconds."""


class _ProgressCollector(Collector):
    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        report = self._tail.report()
        yield CounterMetricFamily(
            "modelops_training_ignored_lines",
            "Lines of metrics.jsonl that are not JSON objects.",
            value=self._tail.ignored,
        )
        if report.last is None:
            return
        yield GaugeMetricFamily("modelops_training_step", "Last step of the trainer.", value=report.last.step)
        if report.total_steps is not None:
            yield GaugeMetricFamily(
                "modelops_training_total_steps", "Number of steps that the trainer plans.", value=report.total_steps
            )
        done = completed_ratio(report)
        if done is not None:
            yield GaugeMetricFamily("modelops_training_ratio", "Completed part of the training, 0 to 1.", value=done)
        end = estimated_end(report)
        if end is not None:
            left = max((end - datetime.now(UTC)).total_seconds(), 0.0)
            yield GaugeMetricFamily(
                "modelops_training_eta_seconds", "Seconds until the last step at the present pace.", value=left
            )
        metrics = GaugeMetricFamily(
            "modelops_training_metric", "Metrics that the trainer wrote at its last step.", labels=["metric"]
        )
        for name, value in report.last.metrics.items():
            metrics.add_metric([name], value)
        yield metrics
