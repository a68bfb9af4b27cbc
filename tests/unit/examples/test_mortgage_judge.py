"""The mortgage example's judge, run as the check's Job runs it, on a candidate with scripted answers."""

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.checkout import ROOT

MORTGAGE = ROOT / "examples" / "mortgage"
Columns = dict[str, list[Any]]
Predictions = Callable[[Columns], list[int]]


@contextmanager
def candidate(answer: Predictions) -> Iterator[str]:
    """Serve a model whose predictions are `answer` of the request's columns; yield its URL."""

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            columns = {tensor["name"]: tensor["data"] for tensor in request["inputs"]}
            found = self.path == "/v2/models/approval/infer"
            body = json.dumps({"outputs": [{"name": "predict", "data": answer(columns)}]}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run_judge(url: str, message: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            str(MORTGAGE / "judge.py"),
            "--data",
            str(MORTGAGE / "data/applications.csv"),
            "--message",
            str(message),
            *arguments,
        ],
        env={"PATH": os.environ["PATH"], "MODELOPS_CANDIDATE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def outcomes_by_numbers() -> dict[tuple[float, ...], int]:
    """Return the outcome of each application, by its numbers."""
    names = ["dir", "hir", "lvr", "ccs", "mcs", "uria"]
    with (MORTGAGE / "data/applications.csv").open() as file:
        return {tuple(float(row[name]) for name in names): int(row["deny"] == "yes") for row in csv.DictReader(file)}


def oracle(columns: Columns) -> list[int]:
    outcomes = outcomes_by_numbers()
    return [
        outcomes[row] for row in zip(*(columns[n] for n in ("dir", "hir", "lvr", "ccs", "mcs", "uria")), strict=True)
    ]


@pytest.mark.parametrize(
    ("answer", "arguments", "code", "message"),
    [
        pytest.param(oracle, (), 0, "accuracy 1.000", id="a candidate that knows every outcome passes"),
        pytest.param(
            lambda columns: [1 - deny for deny in oracle(columns)],
            (),
            1,
            ", at least 0.8 must be",
            id="the opposite of every outcome fails",
        ),
        pytest.param(
            lambda columns: [0] * len(columns["dir"]),
            (),
            0,
            "accuracy 0.8",
            id="a candidate that approves everybody passes",
        ),
        pytest.param(
            lambda columns: [0] * len(columns["dir"]),
            ("--accuracy", "0.95"),
            1,
            ", at least 0.95 must be",
            id="a candidate that approves everybody fails with a higher bound",
        ),
    ],
)
def test_answers_are_compared_with_known_outcomes(
    tmp_path: Path, answer: Predictions, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """The exit code is the check's outcome, and the message has the numbers."""
    with candidate(answer) as url:
        ended = run_judge(url, tmp_path / "message", *arguments)
    assert ended.returncode == code, ended.stderr
    assert message in (tmp_path / "message").read_text()


@pytest.mark.parametrize("answer", [None, lambda columns: [0]], ids=["no server answers", "too few answers"])
def test_a_candidate_that_cannot_be_measured_is_inconclusive(tmp_path: Path, answer: Predictions | None) -> None:
    """An exit code of 1 would say that the candidate is wrong, and roll it back."""
    if answer is None:
        ended = run_judge("http://127.0.0.1:1", tmp_path / "message")
    else:
        with candidate(answer) as url:
            ended = run_judge(url, tmp_path / "message")
    assert ended.returncode == 2
    assert not (tmp_path / "message").exists()
