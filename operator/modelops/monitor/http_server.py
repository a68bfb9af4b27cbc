"""The monitor's pages, on loopback: Envoy passes the exact paths on that others may read."""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest

from modelops.monitor.capture.aggregates import Capture
from modelops.monitor.capture.pairing import AT_ONCE

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"
_NAMES = re.compile(r"/answers/([0-9a-f]{32}(?:,[0-9a-f]{32})*)")


class Pages(ThreadingHTTPServer):
    """A server of the three of them."""

    daemon_threads = True

    def __init__(self, port: int, registry: CollectorRegistry, capture: Capture, dropped: Callable[[], int]) -> None:
        super().__init__(("127.0.0.1", port), _Page)
        self._registry = registry
        self._capture = capture
        self._dropped = dropped

    def page(self, path: str) -> tuple[str, bytes] | None:
        """The type and content of a page; None where there is none."""
        if path == "/metrics":
            return _TEXT, generate_latest(self._registry)
        if path == "/report":
            told = self._capture.told()
            told["records"]["dropped"] = self._dropped()
            return _JSON, json.dumps(told, separators=(",", ":")).encode()
        asked = _NAMES.fullmatch(path)
        if asked is not None:
            return _JSON, self._capture.answers.take(asked[1].split(",")[:AT_ONCE]).encode()
        return None


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # Envoy gives its connections up sooner
    wbufsize = -1
    server: Pages

    def do_GET(self) -> None:
        page = self.server.page(self.path)
        kind, content = page or (_TEXT, b"")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads who asked."""
