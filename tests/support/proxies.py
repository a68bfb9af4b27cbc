"""The proxy container's processes, with the real Envoy, in front of a model of the test; and a candidate's."""

import contextlib
import http.client
import json
import os
import signal
import socket
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
from modelops.controllers.inferenceservice.traffic.routes import Split, name_of, routes
from support.fast_model import FastModel

ROOT = Path(__file__).parents[2]


def split(**told: Any) -> Split:
    """What the Pods of this test are told: everything is answered by their own model, unless told otherwise."""
    return replace(Split(version="approval-1%", revision="abc", readiness_path="/ready", grpc=True), **told)


class Mount:
    """The volume of a ConfigMap, as the kubelet writes it: files behind a link that is replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written = 0
        directory.mkdir()
        self.write(split())
        (directory / ROUTES_FILE).symlink_to(f"..data/{ROUTES_FILE}")

    @property
    def path(self) -> Path:
        """The file that Envoy is told of."""
        return self._directory / ROUTES_FILE

    def write(self, told: Split) -> str:
        """Replace the routes; returns the name by which Envoy tells that it has taken them."""
        rendered = routes(told)
        self.write_text(json.dumps(rendered))
        return name_of(rendered)

    def write_text(self, text: str) -> None:
        """Replace the file as the kubelet does."""
        self._written += 1
        target = self._directory / f"..{self._written}"
        target.mkdir()
        (target / ROUTES_FILE).write_text(text)
        (self._directory / "..data_tmp").symlink_to(target.name)
        (self._directory / "..data_tmp").rename(self._directory / "..data")


class Model(ThreadingHTTPServer):
    """Answers with what it was asked, or what `answers` makes of that. `/slow` waits until it is let go, and `/stream`
    does so between two events.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: Callable[[bytes], bytes] = bytes
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
        if self.path == "/stream":
            self._stream()
            return
        status = int(self.path.removeprefix("/status/")) if self.path.startswith("/status/") else 200
        answer = self.server.answers(body) if body else f"{self.command} {self.path}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Type", self.headers.get("Content-Type", "text/plain"))
        self.send_header("X-Modelops-Model-Version", "a lie")
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            self.server.go.wait(30)
        self.wfile.write(b"0\r\n\r\n")

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
    address: str
    http: int
    stats: int
    admin: int
    grpc: int
    log: Path
    model: Model | FastModel
    mount: Mount
    environment: dict[str, str] = field(repr=False)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, port: int | None = None, **headers: str
    ) -> Answer:
        """One request, to the ingress unless told otherwise."""
        connection = http.client.HTTPConnection(self.address, port or self.http, timeout=30)
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

    def ask_often(self, count: int, threads: int = 4) -> list[Answer]:
        """So many POSTs on a few connections that are kept, each with a body of its own; the answers in order."""

        def share(first: int) -> list[tuple[int, Answer]]:
            found = []
            connection = http.client.HTTPConnection(self.address, self.http, timeout=30)
            with contextlib.closing(connection):
                for number in range(first, count, threads):
                    connection.request("POST", "/invocations", str(number))
                    answer = connection.getresponse()
                    headers = {name.lower(): value for name, value in answer.getheaders()}
                    found.append((number, Answer(answer.status, headers, answer.read())))
            return found

        with futures.ThreadPoolExecutor(threads) as pool:
            return [answer for _, answer in sorted(chain(*pool.map(share, range(threads))), key=itemgetter(0))]

    def report(self) -> dict[str, Any]:
        """What the monitor tells the operator; raises ConnectionError while it does not."""
        answer = self.ask("/monitor/report", port=self.stats)
        if answer.status != 200:
            raise ConnectionError(f"HTTP {answer.status}")
        told: dict[str, Any] = json.loads(answer.body)
        return told

    def received(self) -> int:
        """How many captured requests have come to the monitor."""
        count: int = self.report()["records"]["received"]
        return count

    def routed(self) -> str:
        """The name of the routes that Envoy has taken."""
        dump = json.loads(self.ask("/routes", port=self.stats).body)
        (config,) = dump["configs"]
        name: str = config["route_config"]["virtual_hosts"][0]["name"]
        return name

    def route(self, **told: Any) -> None:
        """Replace the routes, and wait until Envoy has taken them."""
        name = self.mount.write(split(**told))
        self.wait_until(lambda: self.routed() == name)

    def latencies(self, cluster: str) -> int:
        """How many requests the operator can read the latency of."""
        stats = json.loads(self.ask("/figures", port=self.stats).body)["stats"]
        (histograms,) = (one["histograms"] for one in stats if "histograms" in one)
        found = {one["name"]: one["buckets"][-1]["cumulative"] for one in histograms}
        count: int = found.get(f"{cluster}.upstream_rq_time", 0)
        return count

    def figures(self) -> dict[str, int]:
        """The counters that the operator reads."""
        stats = json.loads(self.ask("/figures", port=self.stats).body)["stats"]
        return {one["name"]: one["value"] for one in stats if "name" in one}


@contextlib.contextmanager
def running_model() -> Iterator[Model]:
    """A model that answers until the end."""
    server = Model()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.go.set()
        server.shutdown()
        server.server_close()


@dataclass
class Pair:
    """A stable version's proxy, and a candidate's, to which it can pass requests."""

    stable: Proxy
    candidate: Proxy


@contextlib.contextmanager
def running_proxy(model: Model | FastModel, directory: Path, **more: object) -> Iterator[Proxy]:
    """A proxy before a model, told more by its environment than the usual."""
    listen, stats, admin, monitor, grpc = free_ports(5)
    mount = Mount(directory / "routes")
    told = {
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_PORT": listen,
        "STATS_PORT": stats,
        "ADMIN_PORT": admin,
        "MONITOR_PORT": monitor,
        "MODEL_PORT": model.server_port,
        "MODEL_GRPC_PORT": grpc,
        "READINESS_PATH": "/ready",
        "ROUTES_PATH": mount.path,
        "MODEL_NAME": "approval",
        "MODEL_VERSION": "approval-1%",
        "REVISION": "abc",
        "INFERENCE_SERVICE": "approvals",
        "ARTIFACT_DIGEST": "sha256:" + "0" * 64,
        "ENVOY_CONFIG": directory / "envoy.json",
        "CAPTURE_SOCKET": directory / "capture.sock",
        "ENVOY_CONCURRENCY": 1,
        **more,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        **{f"MODELOPS_{name}": str(value) for name, value in told.items()},
    }
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelops.monitor"], env=environment, stdout=output, stderr=output, process_group=0
        )
    address, stats = str(told["LISTEN_ADDRESS"]), int(str(told["STATS_PORT"]))
    started = Proxy(process, address, listen, stats, admin, grpc, log, model, mount, environment)
    try:
        started.wait_until(lambda: started.ask("/ready", port=stats).status == 200)
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(log.read_text())


def free_ports(count: int) -> list[int]:
    """So many that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
