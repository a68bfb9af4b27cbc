"""One SeaweedFS for all tests here; each test has buckets of its own."""

import io
import itertools
import json
import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from modelops.api.contract.tasks import S3Place
from modelops.store.client import make_client
from modelops.store.credentials import Credentials
from modelops.worker.__main__ import main
from support import s3_server, tools

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3_server.Seaweed]:
    """A running S3 service."""
    server = s3_server.start(tmp_path_factory.mktemp("seaweed"))
    yield server
    server.stop()


@pytest.fixture
def client(s3: s3_server.Seaweed) -> Any:
    """The worker's own kind of client, with all rights."""
    return make_client(
        S3Place(bucket="-", endpoint=s3.endpoint), Credentials(s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    )


@pytest.fixture
def new_bucket(client: Any) -> Callable[..., str]:
    """Makes buckets."""

    def make(*, versioned: bool = True) -> str:
        name = f"bucket-{next(_numbers)}"
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    return make


@dataclass
class Outcome:
    """How a worker ended."""

    exit_code: int
    report: dict[str, Any]
    output: str


@dataclass
class Pod:
    """The worker as a Pod runs it, but in this process, with its places and credentials moved into `root`."""

    root: Path
    endpoint: str
    environment: dict[str, str] = field(default_factory=dict)

    def place(self, bucket: str, prefix: str = "", secret: str = "s3") -> dict[str, Any]:
        """A place as tasks name it."""
        return {"bucket": bucket, "prefix": prefix, "endpoint": self.endpoint, "secretName": secret}

    def secret(self, name: str, key: str, secret: str) -> None:
        """Mount a Secret."""
        directory = self.root / "credentials" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "AWS_ACCESS_KEY_ID").write_text(key + "\n")
        (directory / "AWS_SECRET_ACCESS_KEY").write_text(secret + "\n")

    def run(self, command: str, task: dict[str, Any]) -> Outcome:
        """Do a task."""
        report = self.root / "report.json"
        report.unlink(missing_ok=True)
        output = io.StringIO()
        handler = logging.StreamHandler(output)
        before = signal.getsignal(signal.SIGTERM)
        logging.getLogger().addHandler(handler)
        logging.getLogger("modelops").setLevel(logging.INFO)
        try:
            with mock.patch.dict(os.environ, {**self.environment, "MODELOPS_TASK": json.dumps(task)}):
                exit_code = main([command])
        finally:
            logging.getLogger().removeHandler(handler)
            signal.signal(signal.SIGTERM, before)
        assert report.exists(), output.getvalue()
        assert report.stat().st_size <= 4096
        return Outcome(exit_code, json.loads(report.read_bytes()), output.getvalue())


@pytest.fixture
def pod(s3: s3_server.Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """A Pod with the Secret `s3` (all rights) and `reader` (may read buckets named open only)."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stand_in = tmp_path / "tool"
    stand_in.write_text("a static binary")
    environment = {
        "MODELOPS_SHARED": str(tmp_path / "shared"),
        "MODELOPS_ML_ROOT": str(tmp_path / "ml"),
        "MODELOPS_MODEL_DIR": str(tmp_path / "models"),
        "MODELOPS_CREDENTIALS_DIR": str(tmp_path / "credentials"),
        "MODELOPS_PROGRESS_PORT": "0",
        "MODELOPS_REPORT": str(tmp_path / "report.json"),
        "MODELOPS_BUSYBOX": str(tools.find("busybox") or stand_in),
        "MODELOPS_TINI": str(tools.find("tini") or stand_in),
    }
    made = Pod(tmp_path, s3.endpoint, environment)
    made.secret("s3", s3_server.ACCESS_KEY, s3_server.SECRET_KEY)
    made.secret("reader", s3_server.READER_KEY, s3_server.READER_SECRET)
    return made
