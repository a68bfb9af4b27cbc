"""Script judge.py of the mortgage example, run as by the check's Job, against a candidate with scripted answers."""

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

from support.checkout import EXAMPLES

MORTGAGE = EXAMPLES / "mortgage"
NUMBERS = ("dir", "hir", "lvr", "ccs", "mcs", "uria")
Columns = dict[str, list[Any]]


@contextmanager
def candidate(answer: Callable[[Columns], list[int]]) -> Iterator[str]:
    """Run a model that answers with the result of `answer` for the request's columns. Yield its URL."""

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            columns = {column["name"]: column["data"] for column in request["inputs"]}
            known_path = self.path == "/v2/models/approval/infer"
            body = json.dumps({"outputs": [{"name": "predict", "data": answer(columns)}]}).encode()
            self.send_response(200 if known_path else 404)
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


def judge(url: str, message: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a candidate, with further arguments."""
    return subprocess.run(
        [
            sys.executable,
            str(MORTGAGE / "judge.py"),
            "--data",
            str(MORTGAGE / "data/applications.csv"),
            "--message",
            str(message),
            *words,
        ],
        env={"PATH": os.environ["PATH"], "MODELOPS_CANDIDATE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def known_outcomes() -> dict[tuple[float, ...], int]:
    """Return the outcome of each application by its numbers: 1 for a denial, else 0."""
    with (MORTGAGE / "data/applications.csv").open() as file:
        return {tuple(float(row[name]) for name in NUMBERS): int(row["deny"] == "yes") for row in csv.DictReader(file)}


def oracle(columns: Columns) -> list[int]:
    """Answer every application with its known outcome."""
    outcomes = known_outcomes()
    return [outcomes[numbers] for numbers in zip(*(columns[name] for name in NUMBERS), strict=True)]


def inverse_oracle(columns: Columns) -> list[int]:
    """Answer every application with the opposite of its known outcome."""
    return [1 - outcome for outcome in oracle(columns)]


def approve_all(columns: Columns) -> list[int]:
    return [0] * len(columns["dir"])


@pytest.mark.parametrize(
    ("answer", "words", "code", "expected_message"),
    [
        pytest.param(oracle, (), 0, "accuracy 1.000", id="a candidate that knows every outcome passes"),
        pytest.param(inverse_oracle, (), 1, "must be at least 0.8", id="a candidate that inverts every outcome fails"),
        pytest.param(approve_all, (), 0, "accuracy 0.8", id="a candidate that approves everyone passes"),
        pytest.param(
            approve_all,
            ("--accuracy", "0.95"),
            1,
            "must be at least 0.95",
            id="a candidate that approves everyone fails a higher bound",
        ),
    ],
)
def test_answers_are_compared_with_known_outcomes(
    tmp_path: Path, answer: Callable[[Columns], list[int]], words: tuple[str, ...], code: int, expected_message: str
) -> None:
    """The exit code is the check's outcome, and the message has the numbers."""
    with candidate(answer) as url:
        ended = judge(url, tmp_path / "message", *words)
    assert ended.returncode == code, ended.stderr
    assert expected_message in (tmp_path / "message").read_text()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="the candidate does not answer"),
        pytest.param(lambda columns: [0], id="the candidate answers too few applications"),
    ],
)
def test_a_candidate_that_cannot_be_checked_is_an_error(
    tmp_path: Path, answer: Callable[[Columns], list[int]] | None
) -> None:
    """An exit code of 1 would mean that the candidate is wrong, and roll the candidate back."""
    if answer is None:
        ended = judge("http://127.0.0.1:1", tmp_path / "message")
    else:
        with candidate(answer) as url:
            ended = judge(url, tmp_path / "message")
    assert ended.returncode == 2
    assert not (tmp_path / "message").exists()
