"""The proxy container's processes, with the real Envoy, in front of a model of the test."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))


class Model(ThreadingHTTPServer):
    """Answers with what it was asked; `/slow` waits until it is let go."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.arrived = threading.Event()
        self.go = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one write: two would wait for each other on a slow acknowledgement
    disable_nagle_algorithm = True
    server: Model

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/slow":
            self.server.arrived.set()
            self.server.go.wait(30)
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        answer = body if body else f"{self.command} {self.path}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Modelops-Model-Version", "a lie")
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    """The running container: one process, which is the supervisor."""

    process: subprocess.Popen
    http: int
    stats: int
    admin: int
    grpc: int
    log: Path
    model: Model
    environment: dict[str, str] = field(repr=False)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, port: int | None = None, **headers: str
    ) -> Answer:
        """One request, to the ingress unless told otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    @staticmethod
    def wait_until(true: Callable[[], object], within: float = 20.0) -> None:
        """Wait for a condition; errors of the network mean not yet."""
        until = time.monotonic() + within
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if true():
                    return
            assert time.monotonic() < until, "it did not come true in time"
            time.sleep(0.05)

    def children(self) -> dict[str, int]:
        """Process ids of `envoy` and `monitor`."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"run" in words:
                    found["monitor"] = int(pid)
                elif words[0].endswith(b"envoy"):
                    found["envoy"] = int(pid)
        return found


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(model: Model, tmp_path: Path) -> Iterator[Proxy]:
    """Started as the container is, with its settings in the environment, and answering."""
    listen, stats, admin, monitor, grpc = _free_ports(5)
    told = {
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_PORT": listen,
        "STATS_PORT": stats,
        "ADMIN_PORT": admin,
        "MONITOR_PORT": monitor,
        "MODEL_PORT": model.server_port,
        "MODEL_GRPC_PORT": grpc,
        "READINESS_PATH": "/ready",
        "MODEL_NAME": "approval",
        "MODEL_VERSION": "approval-1%",
        "REVISION": "abc",
        "INFERENCE_SERVICE": "approvals",
        "ARTIFACT_DIGEST": "sha256:" + "0" * 64,
        "ENVOY_CONFIG": tmp_path / "envoy.json",
        "ENVOY_CONCURRENCY": 1,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        **{f"MODELOPS_{name}": str(value) for name, value in told.items()},
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelops.monitor"], env=environment, stdout=output, stderr=output, process_group=0
        )
    started = Proxy(process, listen, stats, admin, grpc, log, model, environment)
    try:
        started.wait_until(lambda: started.ask("/ready", port=stats).status == 200)
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(log.read_text())


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
