"""Time, peak memory and throughput of snapshots and fetches, with an S3 server on this machine and no cluster.

The worker runs as a process of its own, as in a Pod, so every time includes the process's start. Server and worker
share the machine's cores, so the meaningful figure is the ratio to the same requests made one after the other. The
ratio is measured twice: on the loopback, where one connection is as fast as the machine, and `far`, behind a proxy
with a latency of 20 ms and 20 MiB/s for each connection, like a distant object store.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.process_figures import rss_peak_mib
from bench.report import Figure
from modelops.api.contract.tasks import S3Place
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.worker.datasets.pinning import pin
from modelops.worker.runtime.parallel import map_ordered
from support import s3_server
from support.slow_link import slow_link

COUNTS = (1_000, 10_000, 100_000)
_PREFIXES = 16
_MIB = 1 << 20
_SMALL_OBJECTS = 2_000
_LARGE_OBJECTS = 4
_LARGE_BYTES = 256 * _MIB


@dataclass
class _Ended:
    """Result of a worker that ended: duration, peak memory, report."""

    seconds: float
    rss_peak_mib: float
    report: dict[str, Any]


@dataclass
class _Server:
    """S3 server, its client, and the root of a Pod's directories."""

    endpoint: str
    client: Any
    root: Path

    def place(self, bucket: str, prefix: str = "") -> dict[str, Any]:
        return {"bucket": bucket, "prefix": prefix, "endpoint": self.endpoint, "secretName": "s3"}

    def bucket(self, name: str) -> str:
        self.client.create_bucket(Bucket=name)
        self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def worker(self, command: str, task: dict[str, Any]) -> _Ended:
        report = self.root / "report.json"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MODELOPS_TASK": json.dumps(task),
            "MODELOPS_REPORT": str(report),
            "MODELOPS_CREDENTIALS_DIR": str(self.root / "credentials"),
            "MODELOPS_ML_ROOT": str(self.root / "ml"),
            "MODELOPS_SHARED": str(self.root / "shared"),
            **{f"MODELOPS_{tool}": str(self.root / "report.json") for tool in ("BUSYBOX", "TINI")},
            "TMPDIR": str(self.root),
        }
        report.write_bytes(b"")
        started = time.monotonic()
        with (self.root / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "modelops.worker", command], env=environment, stdout=output, stderr=output
            )
        rss = 0.0
        while process.poll() is None:
            # Resource usage would count from the fork on, when the child was still a copy of this process.
            with suppress(OSError):
                rss = max(rss, rss_peak_mib(process.pid))
            time.sleep(0.02)
        seconds = time.monotonic() - started
        result = json.loads(report.read_bytes())
        assert process.returncode == 0, result
        return _Ended(seconds, rss, result)


def snapshots(counts: tuple[int, ...] = COUNTS) -> list[Figure]:
    """Measure pinning, and pinning with reading, checking and profiling, of prefixes of tiny objects.

    `counts` are the numbers of objects, one prefix each.
    """
    with _server() as server:
        return [figure for count in counts for figure in _snapshot(server, count)]


def fetches() -> list[Figure]:
    """Measure the worker's fetch of large and of small objects, compared with a serial loop."""
    with _server() as server:
        large, small = server.bucket("large"), server.bucket("small")
        block = os.urandom(_MIB) * (_LARGE_BYTES // _MIB)
        _fill(server, large, ((f"{number}.bin", block) for number in range(_LARGE_OBJECTS)), threads=1)
        _fill(server, small, ((f"{number}.csv", os.urandom(4096)) for number in range(_SMALL_OBJECTS)))
        figures = [*_fetch(server, large, "large", "MiB/s"), *_fetch(server, small, "small", "objects/s")]
        with slow_link(server.endpoint, latency_seconds=0.02, bytes_per_second=20 * _MIB) as endpoint:
            server = _Server(endpoint, _client(endpoint), server.root)
            figures += [*_fetch(server, large, "far_large", "MiB/s"), *_fetch(server, small, "far_small", "objects/s")]
        return figures


def _snapshot(server: _Server, count: int) -> Iterator[Figure]:
    bucket = server.bucket(f"objects-{count}")
    _fill(
        server, bucket, ((f"{number % _PREFIXES:02}/{number:06}.csv", b"x\n%d\n" % number) for number in range(count))
    )
    started = time.monotonic()
    for _ in server.client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        pass
    pages = time.monotonic() - started
    task = {"source": server.place(bucket), "store": server.place(server.bucket(f"store-{count}"))}
    task["format"] = {"type": "csv"}
    snapshot = server.worker("snapshot", {**task, "probe": {"settleSeconds": 0}})
    probe = {"settleSeconds": 0, "knownDigests": [snapshot.report["digest"]]}
    pinned = server.worker("snapshot", {**task, "probe": probe})
    assert (snapshot.report["rows"], pinned.report["unchanged"]) == (count, True)
    name = f"snapshot_{count}"
    yield Figure(f"{name}_list_pages", pages, "s", "all LIST pages alone, serially")
    yield Figure(f"{name}_pin", pinned.seconds, "s", "listed and pinned, with the process's start")
    yield Figure(f"{name}_pin_ratio", pinned.seconds / pages, "x the pages", "<= 1.2 where the start is a small part")
    yield Figure(f"{name}_pin_rss", pinned.rss_peak_mib, "MiB", "flat")
    yield Figure(f"{name}_whole", snapshot.seconds, "s", "also every object read, checked and profiled")
    yield Figure(f"{name}_whole_rss", snapshot.rss_peak_mib, "MiB", "flat")


def _fetch(server: _Server, bucket: str, name: str, unit: str) -> Iterator[Figure]:
    store = server.bucket(f"store-{name.replace('_', '-')}")
    manifest = pin(server.client, S3Place(bucket=bucket), server.root / "manifest").manifest
    objects = list(manifest.entries())
    server.client.put_object(Bucket=store, Key="manifest", Body=manifest.file.read_bytes())
    dataset = {"name": name, "digest": manifest.digest, "manifest": f"s3://{store}/manifest"}
    task = {
        "store": server.place(store),
        "datasets": [{**dataset, "source": server.place(bucket)}],
        "hyperparameters": {},
        "checkpoints": f"s3://{store}/checkpoints/",
    }
    started = time.monotonic()
    for entry in objects:
        body = server.client.get_object(Bucket=bucket, Key=entry.key, VersionId=entry.version_id)["Body"]
        with (server.root / "object").open("wb") as file:
            for chunk in body.iter_chunks(_MIB):
                file.write(chunk)
    serial = time.monotonic() - started
    fetched = server.worker("fetch", task)
    again = server.worker("fetch", task)
    amount = sum(entry.size for entry in objects) / _MIB if unit == "MiB/s" else len(objects)
    yield Figure(f"fetch_{name}_serial", amount / serial, unit, "serial, unverified")
    yield Figure(f"fetch_{name}", amount / fetched.seconds, unit, "verified, with the process's start")
    target = "> 4" if name.startswith("far") else "limited by the CPU, which also computes an MD5"
    yield Figure(f"fetch_{name}_speedup", serial / fetched.seconds, "x", target)
    yield Figure(f"fetch_{name}_rss", fetched.rss_peak_mib, "MiB", "flat")
    yield Figure(f"fetch_{name}_again", again.seconds, "s", "again, with all objects present")


def _client(endpoint: str) -> Any:
    return make_client(S3Place(bucket="-", endpoint=endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY))


def _fill(server: _Server, bucket: str, objects: Iterable[tuple[str, bytes]], *, threads: int = 8) -> None:
    for _ in map_ordered(
        objects, lambda item: server.client.put_object(Bucket=bucket, Key=item[0], Body=item[1]), threads=threads
    ):
        pass


@contextmanager
def _server() -> Iterator[_Server]:
    with tempfile.TemporaryDirectory(prefix="modelops-bench-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        credentials = root / "credentials" / "s3"
        credentials.mkdir(parents=True)
        (credentials / "AWS_ACCESS_KEY_ID").write_text(s3_server.ACCESS_KEY)
        (credentials / "AWS_SECRET_ACCESS_KEY").write_text(s3_server.SECRET_KEY)
        (root / "seaweed").mkdir()
        running = s3_server.start(root / "seaweed")
        try:
            yield _Server(running.endpoint, _client(running.endpoint), root)
        finally:
            running.stop()
