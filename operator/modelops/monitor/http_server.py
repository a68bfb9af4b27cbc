"""HTTP server of the monitor's pages, on a Unix socket. Envoy exposes the exact paths that other Pods may read.

The model's container shares the Pod's network, but not the socket's directory: no model can answer in the monitor's
place.
"""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import BATCH_SIZE

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"
_PREDICTIONS = re.compile(r"/answers/([0-9a-f]{32}(?:,[0-9a-f]{32})*)")


class MonitorServer(ThreadingMixIn, UnixStreamServer):
    """Server of /metrics, /report and /answers/<keys>."""

    daemon_threads = True
    max_threads = 16
    """Connections served at the same time. Others wait, and time out at Envoy."""

    def __init__(
        self,
        socket: str,
        registry: CollectorRegistry,
        aggregates: Aggregates,
        dropped: Callable[[], int],
        routes_refused: Callable[[], str | None],
    ) -> None:
        Path(socket).unlink(missing_ok=True)  # that of a monitor that was killed
        super().__init__(socket, _Handler)
        self._registry = registry
        self._aggregates = aggregates
        self._free_threads = threading.BoundedSemaphore(self.max_threads)
        self._dropped = dropped
        self._routes_refused = routes_refused

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, once one is free."""
        self._free_threads.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free_threads.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and free its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free_threads.release()

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Return the content type and content of a page, or None if the path is unknown."""
        if path == "/metrics":
            return _TEXT, generate_latest(self._registry)
        if path == "/report":
            report = self._aggregates.to_json()
            report["records"]["dropped"] = self._dropped()
            report["routes"] = {"refused": self._routes_refused()}
            return _JSON, json.dumps(report, separators=(",", ":")).encode()
        match = _PREDICTIONS.fullmatch(path)
        if match is not None:
            return _JSON, self._aggregates.predictions.take(match[1].split(",")[:BATCH_SIZE]).encode()
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # longer than Envoy's idle timeout, so that Envoy closes connections first
    wbufsize = -1
    server: MonitorServer

    def do_GET(self) -> None:
        page = self.server.page(self.path)
        content_type, content = page or (_TEXT, b"")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: scrapes would fill the container's log."""
