"""The monitor's pages: a limited number of threads, whoever asks."""

import contextlib
import socket
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from modelops.monitor.capture.aggregates import Aggregates
from modelops.monitor.capture.pairing import Pairing
from modelops.monitor.http_server import MonitorServer
from modelops.monitor.unix_http import UnixHTTPConnection


def test_many_connections_start_no_more_threads_than_the_limit(tmp_path: Path) -> None:
    """Reports are open to the network: each thread has a stack, and the monitor's memory is limited."""
    path = str(tmp_path / "socket")
    aggregates = Aggregates(Pairing(lambda *_: {}))
    server = MonitorServer(path, CollectorRegistry(), aggregates, lambda: 0, lambda: "why")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = threading.active_count()
    with contextlib.ExitStack() as idle:
        for _ in range(server.max_threads):
            idle.enter_context(held(path))
        waiting = [idle.enter_context(held(path, answered=False)) for _ in range(3)]
        assert threading.active_count() - before <= server.max_threads
        assert all(not answered(connection) for connection in waiting)
    connection = UnixHTTPConnection(path, 30)
    connection.request("GET", "/report")
    assert b'"routes":{"refused":"why"}' in connection.getresponse().read()
    connection.close()
    server.shutdown()
    server.server_close()


def held(path: str, *, answered: bool = True) -> socket.socket:
    """Open a connection that asks for a page and then stays open; wait for the answer unless no thread is free."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(path)
    connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: m\r\n\r\n")
    if answered:
        assert connection.recv(64).startswith(b"HTTP/1.1 404")
    return connection


def answered(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        return bool(connection.recv(1))
    return False
