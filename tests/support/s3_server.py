"""Real S3 server for tests: SeaweedFS on loopback, with a directory of its own, stopped by its process id."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_ports

ACCESS_KEY = "modelops-test"
SECRET_KEY = "modelops-test-secret"
READER_KEY = "modelops-reader"
READER_SECRET = "modelops-reader-secret"
START_SECONDS = 30.0


@dataclass
class Seaweed:
    """Running server. `endpoint` is the URL of its S3 API."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Kill the server and wait for its end."""
        self.process.kill()
        self.process.wait()


def start(directory: Path) -> Seaweed:
    """Start a server that stores everything below `directory`. Raises RuntimeError with the server's log."""
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
    # Every port is given: otherwise weed derives ports from others by adding 10000.
    s3, *others = free_ports(9)
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
                # Each bucket has seven volumes of its own.
                "-volume.max=2000",
                # By default a write to a bucket creates the bucket.
                "-s3.autoCreateBucket=false",
                # Users and their policies can be made while the server runs.
                "-s3.iam.readOnly=false",
                # Catalogue services at fixed ports, which are not needed: a second server could not start.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                *(f"-{name}={port}" for name, port in zip(names, others, strict=False)),
            ],
            cwd=directory,
            # Without a key the server refuses encryption with its own keys (SSE-S3).
            env={**os.environ, "WEED_S3_SSE_KEY": "of the tests"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Seaweed(f"http://127.0.0.1:{s3}", process)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(server.endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise RuntimeError(f"weed did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)
    return server


def _identity(name: str, access_key: str, secret_key: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
