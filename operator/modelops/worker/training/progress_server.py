"""Tell the trainer's progress on a port: /progress for the operator, /metrics for Prometheus."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from modelops.api.contract.eta import completed_ratio, estimated_end
from modelops.api.contract.tasks import PROGRESS_PORT
from modelops.worker.training.tailing import Tail

PORT_VARIABLE = "MODELOPS_PROGRESS_PORT"
_READ_EVERY_SECONDS = 1.0
_ASKER_SECONDS = 5.0
_LOOK_FOR_END_SECONDS = 0.1
_log = logging.getLogger(__name__)


@contextmanager
def telling(tail: Tail) -> Iterator[None]:
    """Follow the file and answer while this is entered. Whatever goes wrong here costs nobody a training."""
    over = threading.Event()
    threading.Thread(target=_follow, args=(tail, over), name="tail", daemon=True).start()
    server = _listening(tail)
    try:
        yield
    finally:
        over.set()
        if server is not None:
            server.shutdown()
            server.server_close()


def _follow(tail: Tail, over: threading.Event) -> None:
    while not over.wait(_READ_EVERY_SECONDS):
        try:
            tail.read()
        except Exception:
            _log.exception("metrics.jsonl cannot be read")


def _listening(tail: Tail) -> "_Server | None":
    port = int(os.environ.get(PORT_VARIABLE, PROGRESS_PORT))
    try:
        server = _Server(port, tail)
    except OSError as error:
        _log.warning("the progress cannot be told on port %d: %s", port, error)
        return None
    threading.Thread(target=server.serve_forever, args=(_LOOK_FOR_END_SECONDS,), name="telling", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    """On all addresses of the Pod, of either IP version."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, tail: Tail) -> None:
        self.tail = tail
        self.registry = CollectorRegistry()
        self.registry.register(_Metrics(tail))
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """An asker that hangs up is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _ASKER_SECONDS

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/progress":
            report = self.server.tail.report()
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
        """Who asks every few seconds is not worth a line each time."""


class _Metrics(Collector):
    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        report = self._tail.report()
        yield CounterMetricFamily(
            "modelops_training_ignored_lines",
            "Lines of metrics.jsonl that are no JSON objects.",
            value=self._tail.ignored,
        )
        if report.last is None:
            return
        yield GaugeMetricFamily("modelops_training_step", "The trainer's last step.", value=report.last.step)
        if report.total_steps is not None:
            yield GaugeMetricFamily(
                "modelops_training_total_steps", "How many steps there will be.", value=report.total_steps
            )
        done = completed_ratio(report)
        if done is not None:
            yield GaugeMetricFamily("modelops_training_ratio", "How much is done, from 0 to 1.", value=done)
        end = estimated_end(report)
        if end is not None:
            left = max((end - datetime.now(UTC)).total_seconds(), 0.0)
            yield GaugeMetricFamily("modelops_training_eta_seconds", "Until the last step, at this pace.", value=left)
        metrics = GaugeMetricFamily(
            "modelops_training_metric", "The trainer's own metrics at its last step.", labels=["metric"]
        )
        for name, value in report.last.metrics.items():
            metrics.add_metric([name], value)
        yield metrics
