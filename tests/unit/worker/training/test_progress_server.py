"""The sidecar serves progress to the operator and to Prometheus; no client can harm the training."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from modelops.api.contract.reports import ProgressReport
from modelops.worker.training import progress_server
from modelops.worker.training.progress_server import serve_progress
from modelops.worker.training.tailing import Tail
from support.ports import free_port


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    free = free_port()
    monkeypatch.setenv(progress_server.PORT_VARIABLE, str(free))
    monkeypatch.setattr(progress_server, "_READ_INTERVAL_SECONDS", 0.02)
    return free


@pytest.fixture
def file(tmp_path: Path, port: int) -> Iterator[Path]:
    """Return a metrics.jsonl whose progress is served during the test."""
    with serve_progress(Tail(tmp_path / "metrics.jsonl")):
        yield tmp_path / "metrics.jsonl"


def get(port: int, path: str) -> tuple[int, str, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()


def wait_for(port: int, path: str, text: str) -> str:
    deadline = time.monotonic() + 5
    while text not in (answer := get(port, path)[2]):
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)
    return answer


def test_the_operator_reads_progress_as_a_report(file: Path, port: int) -> None:
    """Before the first line the report has no step; each line shows soon after it was written."""
    assert get(port, "/progress") == (200, "application/json", '{"points":[],"checkpoints":[]}')
    file.write_text('{"step": 4, "total_steps": 8, "loss": 0.5}\n')
    report = ProgressReport.model_validate_json(wait_for(port, "/progress", "totalSteps"))
    assert report.last is not None
    assert (report.last.step, report.last.metrics, report.total_steps) == (4, {"loss": 0.5}, 8)


def test_prometheus_reads_every_metric_of_the_last_step(file: Path, port: int) -> None:
    """Every metric of the last step becomes a gauge, whatever its name."""
    assert "modelops_training_step" not in get(port, "/metrics")[2]
    file.write_text('{"step": 2, "total_steps": 8}\n')
    wait_for(port, "/metrics", "modelops_training_step 2.0")
    with file.open("a") as more:
        more.write('none\n{"step": 4, "loss": 0.5, "a \\"b\\"\\n": 1}\n')
    text = wait_for(port, "/metrics", "modelops_training_step 4.0")
    for line in (
        "modelops_training_total_steps 8.0",
        "modelops_training_ratio 0.5",
        'modelops_training_metric{metric="loss"} 0.5',
        'modelops_training_metric{metric="a \\"b\\"\\n"} 1.0',
        "modelops_training_ignored_lines_total 1.0",
        "modelops_training_eta_seconds ",
    ):
        assert line in text
    assert json.loads(get(port, "/progress")[2])["last"]["step"] == 4


def test_any_other_path_is_not_found(file: Path, port: int) -> None:
    """The server serves no files of the Pod."""
    assert get(port, "/etc/passwd")[0] == 404


def test_a_client_that_hangs_blocks_nothing(tmp_path: Path, port: int) -> None:
    """Neither another client nor the end of the sidecar waits for a client that never completes its request."""
    before = time.monotonic()
    with closing(socket.socket()) as silent, serve_progress(Tail(tmp_path / "metrics.jsonl")):
        silent.connect(("127.0.0.1", port))
        silent.sendall(b"GET /prog")
        assert get(port, "/progress")[0] == 200
    assert time.monotonic() - before < 3


def test_a_port_in_use_does_not_stop_the_training(tmp_path: Path, port: int) -> None:
    """A trainer that uses the port itself still trains; only its progress is not served."""
    with socket.create_server(("", port)), serve_progress(Tail(tmp_path / "metrics.jsonl")):
        pass
