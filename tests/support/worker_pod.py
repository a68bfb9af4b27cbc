"""The worker as a Pod runs it, but in the test's process."""

import io
import json
import logging
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from modelops.worker.__main__ import main

Json = dict[str, Any]


@dataclass
class Outcome:
    """Exit code, report and log of a worker that has ended."""

    exit_code: int
    report: Json
    output: str

    @property
    def failure(self) -> tuple[int, str]:
        """Exit code and reason of a worker that failed."""
        return self.exit_code, self.report["failure"]["reason"]


@dataclass
class WorkerPod:
    """Worker whose volumes, credentials and report are below `root`, and whose S3 service is at `endpoint`."""

    root: Path
    endpoint: str
    environment: dict[str, str] = field(default_factory=dict)

    def place(self, bucket: str, prefix: str = "", secret: str = "s3") -> Json:
        """Build a place as tasks name it."""
        return {"bucket": bucket, "prefix": prefix, "endpoint": self.endpoint, "secretName": secret}

    def secret(self, name: str, key: str, secret: str) -> None:
        """Mount a Secret."""
        directory = self.root / "credentials" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "AWS_ACCESS_KEY_ID").write_text(key + "\n")
        (directory / "AWS_SECRET_ACCESS_KEY").write_text(secret + "\n")

    def run(self, command: str, task: Json) -> Outcome:
        """Run a task to its end. Asserts that there is a report that fits into a termination message."""
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
