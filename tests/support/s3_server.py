"""A real S3 server for tests: SeaweedFS on loopback, in a directory of its own, ended by its process id."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY = "modelops-test"
SECRET_KEY = "modelops-test-secret"
READER_KEY = "modelops-reader"
READER_SECRET = "modelops-reader-secret"
START_SECONDS = 30.0


@dataclass
class Seaweed:
    """A running server. `endpoint` is its S3 URL."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the server and wait for its end."""
        self.process.kill()
        self.process.wait()


def start(directory: Path) -> Seaweed:
    """Start a server that keeps everything below `directory`. Raises RuntimeError with its log when it cannot."""
    identities = directory / "s3.json"
    identities.write_text(
        json.dumps(
            {
                "identities": [
                    _identity("admin", ACCESS_KEY, SECRET_KEY, ["Admin"]),
                    _identity("reader", READER_KEY, READER_SECRET, ["Read:open", "List:open"]),
                ]
            }
        )
    )
    s3, *others = _free_ports(9)
    names = (
        "s3.port.grpc",
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
    )
    log = directory / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "weed"),
                "server",
                f"-dir={directory}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3",
                f"-s3.port={s3}",
                f"-s3.config={identities}",
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64",
                # Every bucket takes seven volumes of its own.
                "-volume.max=2000",
                # By default, writing to a bucket makes it.
                "-s3.autoCreateBucket=false",
                # Catalogues that nobody here asks, at fixed ports: a second server would end at them.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                *(f"-{name}={port}" for name, port in zip(names, others, strict=False)),
            ],
            cwd=directory,
            # Without a key of its own it refuses encryption with the service's keys (SSE-S3).
            env={**os.environ, "WEED_S3_SSE_KEY": "of the tests"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Seaweed(f"http://127.0.0.1:{s3}", process)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server.endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise RuntimeError(f"weed did not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)
    return server


def _identity(name: str, access_key: str, secret_key: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def _free_ports(count: int) -> list[int]:
    # weed derives further ports from those below 55536 by adding 10000 unless told otherwise: all are told.
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
