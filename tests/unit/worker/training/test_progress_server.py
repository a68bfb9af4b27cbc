"""Who asks a sidecar how far the trainer is: the operator, Prometheus, and others that must do no harm."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from modelops.api.contract.reports import ProgressReport
from modelops.worker.training import progress_server as module
from modelops.worker.training.progress_server import telling
from modelops.worker.training.tailing import Tail


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        free = one.getsockname()[1]
    monkeypatch.setenv(module.PORT_VARIABLE, str(free))
    monkeypatch.setattr(module, "_READ_EVERY_SECONDS", 0.02)
    return free


@pytest.fixture
def file(tmp_path: Path, port: int) -> Iterator[Path]:
    """The file that is told of, while it is told of."""
    with telling(Tail(tmp_path / "metrics.jsonl")):
        yield tmp_path / "metrics.jsonl"


def ask(port: int, path: str) -> tuple[int, str, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


def until(port: int, path: str, text: str) -> str:
    deadline = time.monotonic() + 5
    while text not in (answer := ask(port, path)[2]):
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)
    return answer


def test_progress_as_the_operator_reads_it(file: Path, port: int) -> None:
    """Without a line there is a report without a step; a line shows soon after it was written."""
    assert ask(port, "/progress") == (200, "application/json", '{"points":[]}')
    file.write_text('{"step": 4, "total_steps": 8, "loss": 0.5}\n')
    report = ProgressReport.model_validate_json(until(port, "/progress", "totalSteps"))
    assert report.last is not None
    assert (report.last.step, report.last.metrics, report.total_steps) == (4, {"loss": 0.5}, 8)


def test_metrics_as_prometheus_reads_them(file: Path, port: int) -> None:
    """Every metric of the last step is a gauge, whatever its name."""
    assert "modelops_training_step" not in ask(port, "/metrics")[2]
    file.write_text('{"step": 2, "total_steps": 8}\n')
    until(port, "/metrics", "modelops_training_step 2.0")
    with file.open("a") as more:
        more.write('none\n{"step": 4, "loss": 0.5, "a \\"b\\"\\n": 1}\n')
    text = until(port, "/metrics", "modelops_training_step 4.0")
    for line in (
        "modelops_training_total_steps 8.0",
        "modelops_training_ratio 0.5",
        'modelops_training_metric{metric="loss"} 0.5',
        'modelops_training_metric{metric="a \\"b\\"\\n"} 1.0',
        "modelops_training_ignored_lines_total 1.0",
        "modelops_training_eta_seconds ",
    ):
        assert line in text
    assert json.loads(ask(port, "/progress")[2])["last"]["step"] == 4


def test_other_paths(file: Path, port: int) -> None:
    """There is nothing else to be had."""
    assert ask(port, "/etc/passwd")[0] == 404


def test_askers_that_hang_hold_up_nobody(tmp_path: Path, port: int) -> None:
    """Neither another asker nor the sidecar's end waits for one that says nothing."""
    before = time.monotonic()
    with closing(socket.socket()) as silent, telling(Tail(tmp_path / "metrics.jsonl")):
        silent.connect(("127.0.0.1", port))
        silent.sendall(b"GET /prog")
        assert ask(port, "/progress")[0] == 200
    assert time.monotonic() - before < 3


def test_a_port_that_is_taken(tmp_path: Path, port: int) -> None:
    """A trainer that uses the port itself is trained all the same: only nobody is told."""
    with socket.create_server(("", port)), telling(Tail(tmp_path / "metrics.jsonl")):
        pass
