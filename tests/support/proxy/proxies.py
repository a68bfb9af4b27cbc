"""The proxy container's processes, with the real Envoy, in front of a test's model, and those of a candidate."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from modelops.controllers.inferenceservice.pod.names import ROUTES_FILE
from modelops.controllers.inferenceservice.traffic.envoy_routes import Split, name_of, routes
from modelops.monitor.unix_http import UnixHTTPConnection
from support.checkout import ROOT
from support.ports import free_ports
from support.proxy.fast_model import FastModel

TOKEN = "0123456789abcdef" * 2
"""Token of a test's rollout, which its clients do not know unless they say so."""


def split(**changed: Any) -> Split:
    """Return how a Pod divides its requests. By default its own model answers all of them."""
    return replace(Split(version="approval-1%", revision="abc", readiness_path="/ready", grpc=True), **changed)


class Mount:
    """Volume of a ConfigMap as the kubelet writes it: files behind a link that is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writes = 0
        directory.mkdir()
        self.write(split())
        (directory / ROUTES_FILE).symlink_to(f"..data/{ROUTES_FILE}")

    @property
    def path(self) -> Path:
        """File that Envoy reads."""
        return self._directory / ROUTES_FILE

    def write(self, new: Split) -> str:
        """Replace the routes. Return their name, which Envoy reports once they are in effect."""
        rendered = routes(new)
        self.write_text(json.dumps(rendered))
        return name_of(rendered)

    def write_text(self, text: str) -> None:
        """Replace the file as the kubelet does."""
        self._writes += 1
        target = self._directory / f"..{self._writes}"
        target.mkdir()
        (target / ROUTES_FILE).write_text(text)
        (self._directory / "..data_tmp").symlink_to(target.name)
        (self._directory / "..data_tmp").rename(self._directory / "..data")


class Model(ThreadingHTTPServer):
    """Model that echoes requests, or responds with what `respond` returns, and records them.

    `/slow` waits until `proceed` is set, and `/stream` waits so between two events.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and headers of each request."""
        self.respond: Callable[[bytes], bytes] = bytes
        self.arrived = threading.Event()
        """Set once a request to `/slow` has arrived."""
        self.proceed = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response in one write: two writes would wait for a delayed acknowledgement
    disable_nagle_algorithm = True
    server: Model

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/slow":
            self.server.arrived.set()
            self.server.proceed.wait(30)
        if self.path == "/stream":
            self._stream()
            return
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        content = self.server.respond(body) if body else f"{self.command} {self.path}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", self.headers.get("Content-Type", "text/plain"))
        self.send_header("X-Modelops-Model-Version", "a lie")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            self.server.proceed.wait(30)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Answer:
    """Response with its whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    """Running container: one process, the supervisor."""

    process: subprocess.Popen[bytes]
    address: str
    http: int
    stats: int
    admin: Path
    """Unix socket of Envoy's admin interface."""
    loopback: int
    probe: int
    grpc: int
    log: Path
    backend: Model | FastModel
    mount: Mount
    environment: dict[str, str] = field(repr=False)

    @property
    def model(self) -> Model:
        """Model that records its requests. Fails in front of a FastModel."""
        assert isinstance(self.backend, Model)
        return self.backend

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, port: int | Path | None = None, **headers: str
    ) -> Answer:
        """Send one request, by default to the ingress. A path is that of a Unix socket."""
        connection = (
            UnixHTTPConnection(str(port), timeout=30)
            if isinstance(port, Path)
            else http.client.HTTPConnection(self.address, port or self.http, timeout=30)
        )
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return _read(response)
        finally:
            connection.close()

    @staticmethod
    def wait_until(condition: Callable[[], object], within: float = 60.0) -> None:
        """Wait for a condition. Network errors count as false."""
        until = time.monotonic() + within
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if condition():
                    return
            assert time.monotonic() < until, f"the condition is not true after {within:.0f} s"
            time.sleep(0.05)

    def children(self) -> dict[str, int]:
        """Return the process ids of `envoy` and `monitor`, as far as they run."""
        pids = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"run" in words:
                    pids["monitor"] = int(pid)
                elif words[0].endswith(b"envoy"):
                    pids["envoy"] = int(pid)
        return pids

    def post_many(self, count: int, threads: int = 4) -> list[Answer]:
        """Send POSTs with distinct bodies over a few kept-alive connections, and return the responses in order."""

        def every_nth(first: int) -> list[tuple[int, Answer]]:
            responses = []
            connection = http.client.HTTPConnection(self.address, self.http, timeout=30)
            with contextlib.closing(connection):
                for number in range(first, count, threads):
                    connection.request("POST", "/invocations", str(number))
                    responses.append((number, _read(connection.getresponse())))
            return responses

        with futures.ThreadPoolExecutor(threads) as pool:
            responses = sorted(chain(*pool.map(every_nth, range(threads))), key=itemgetter(0))
        return [response for _, response in responses]

    def refusal(self) -> str | None:
        """Return why the routes that were written last are refused, or None if they are in effect."""
        reason: str | None = self.report()["routes"]["refused"]
        return reason

    def report(self) -> dict[str, Any]:
        """Return the monitor's report for the operator. Raises ConnectionError while there is none."""
        response = self.request("/monitor/report", port=self.stats)
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status}")
        report: dict[str, Any] = json.loads(response.body)
        return report

    def received(self) -> int:
        """Return how many captured requests the monitor has received."""
        count: int = self.report()["records"]["received"]
        return count

    def routes_in_effect(self) -> str:
        """Return the name of the routes that Envoy uses."""
        dump = json.loads(self.request("/routes", port=self.stats).body)
        (config,) = dump["configs"]
        name: str = config["version_info"]
        return name

    def route(self, **changed: Any) -> None:
        """Replace the routes, and wait until they are in effect."""
        name = self.mount.write(split(**changed))
        self.wait_until(lambda: self.routes_in_effect() == name)

    def latency_count(self, cluster: str) -> int:
        """Return of how many requests the operator can read the latency."""
        stats = json.loads(self.request("/figures", port=self.stats).body)["stats"]
        (histograms,) = (entry["histograms"] for entry in stats if "histograms" in entry)
        counts = {histogram["name"]: histogram["buckets"][-1]["cumulative"] for histogram in histograms}
        count: int = counts.get(f"{cluster}.upstream_rq_time", 0)
        return count

    def statistics(self) -> dict[str, int]:
        """Return the counters and gauges that the operator reads."""
        stats = json.loads(self.request("/figures", port=self.stats).body)["stats"]
        return {entry["name"]: entry["value"] for entry in stats if "name" in entry}


def _read(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@contextlib.contextmanager
def running_model() -> Iterator[Model]:
    """Run a model that records its requests."""
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.proceed.set()
        server.shutdown()
        server.server_close()


@dataclass
class Pair:
    """Proxy of a stable version, and of the candidate to which it can pass requests."""

    stable: Proxy
    candidate: Proxy


@contextlib.contextmanager
def running_proxy(model: Model | FastModel, directory: Path, **changed: object) -> Iterator[Proxy]:
    """Run a proxy in front of a model, with changes to the usual settings, and wait until it is ready."""
    listen, stats, loopback, probe, grpc = free_ports(5)
    mount = Mount(directory / "routes")
    settings = {
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_PORT": listen,
        "STATS_PORT": stats,
        "LOOPBACK_PORT": loopback,
        "PROBE_PORT": probe,
        "MODEL_PORT": model.server_port,
        "MODEL_GRPC_PORT": grpc,
        "READINESS_PATH": "/ready",
        "ROUTES_PATH": mount.path,
        "ACCEPTED_ROUTES_PATH": directory / "accepted" / ROUTES_FILE,
        "MODEL_NAME": "approval",
        "MODEL_VERSION": "approval-1%",
        "REVISION": "abc",
        "INFERENCE_SERVICE": "approvals",
        "ARTIFACT_DIGEST": "sha256:" + "0" * 64,
        "ENVOY_CONFIG": directory / "envoy.json",
        "ADMIN_SOCKET": directory / "admin.sock",
        "MONITOR_SOCKET": directory / "monitor.sock",
        "CAPTURE_SOCKET": directory / "capture.sock",
        "ENVOY_CONCURRENCY": 1,
        **changed,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        **{f"MODELOPS_{name}": str(value) for name, value in settings.items()},
    }
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelops.monitor"], env=environment, stdout=output, stderr=output, process_group=0
        )
    address, stats = str(settings["LISTEN_ADDRESS"]), int(str(settings["STATS_PORT"]))
    admin = directory / "admin.sock"
    proxy = Proxy(process, address, listen, stats, admin, loopback, probe, grpc, log, model, mount, environment)
    try:
        proxy.wait_until(lambda: proxy.request("/ready", port=stats).status == 200)
        yield proxy
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(log.read_text())
