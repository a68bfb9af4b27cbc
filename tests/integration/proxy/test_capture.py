"""What the monitor learns of requests, with the real Envoy: all of it where the routes say so, and never at a cost."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops.controllers.inferenceservice.analysis.reports import distributions, look_reports
from support.proxies import Answer, Model, Pair, Proxy, running_model, running_proxy

PATH = "/v1/models/approval:predict"
MOST_BYTES = 65_536


@pytest.fixture
def peers(model: Model, tmp_path: Path) -> Iterator[Pair]:
    """A stable Pod and a candidate's, whose monitors can ask each other: addresses of their own, and the same port."""
    for name in ("candidate", "stable"):
        (tmp_path / name).mkdir()
    with running_model() as other, running_proxy(other, tmp_path / "candidate") as candidate:
        told = {
            "LISTEN_ADDRESS": "127.0.0.2",
            "STATS_PORT": candidate.stats,
            "CANDIDATE_HOST": "127.0.0.1",
            "CANDIDATE_PORT": candidate.http,
        }
        with running_proxy(model, tmp_path / "stable", **told) as stable:
            for one in (stable, candidate):
                one.wait_until(one.report)
            yield Pair(stable, candidate)


def infer(proxy: Proxy, *rows: list[Any], **headers: str) -> Answer:
    body = json.dumps({"instances": list(rows)}).encode()
    return proxy.ask(PATH, "POST", body, Content_Type="application/json", **headers)


def test_nothing_is_captured_unless_the_routes_say_so(proxy):
    """Until a rollout asks for it, no body is copied and nothing is sent."""
    proxy.wait_until(proxy.report)
    for n in range(20):
        assert infer(proxy, [n]).status == 200
    stats = proxy.ask("/stats?filter=lua|logs_written", port=proxy.admin).body.decode()
    assert all(line.endswith(": 0") for line in stats.splitlines())
    assert proxy.received() == 0


def test_every_request_is_told_by_column(proxy):
    """Both versions' inputs and predictions are compared by these counts, so none may be missing."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    proxy.model.answers = lambda body: json.dumps({"predictions": [sum(json.loads(body)["instances"][0])]}).encode()
    for n in range(40):
        assert infer(proxy, [n % 4, 10]).status == 200
    proxy.wait_until(lambda: proxy.received() == 40)
    told = proxy.report()
    columns = told["live"]["inputs"]["columns"]
    assert dict(columns["instances[0]"]["numbers"]) == {0: 10, 1: 10, 2: 10, 3: 10}
    assert dict(columns["instances[1]"]["numbers"]) == {10: 40}
    assert dict(told["live"]["predictions"]["columns"]["predictions"]["numbers"]) == {10: 10, 11: 10, 12: 10, 13: 10}
    assert told["live"]["inputs"]["rows"] == told["live"]["predictions"]["rows"] == 40
    assert told["mirrored"]["inputs"]["rows"] == 0
    assert told["records"] == {"received": 40, "unread": 0, "dropped": 0}
    metrics = proxy.ask("/monitor/metrics", port=proxy.stats).body
    assert b"modelops_capture_records_received_total 40.0" in metrics
    assert b"modelops_capture_records_dropped_total 0.0" in metrics


def test_capturing_can_be_turned_off_again(proxy):
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    infer(proxy, [1])
    proxy.route(capture_percent=0)
    infer(proxy, [1])
    proxy.wait_until(lambda: proxy.received() == 1)


def test_a_share_is_captured_of_what_is_answered_here(proxy):
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=25)
    proxy.ask_often(1200)
    sent = b"logs_written: %d\n"
    proxy.wait_until(lambda: sent % proxy.received() in proxy.ask("/stats?filter=written", port=proxy.admin).body)
    assert 220 < proxy.received() < 380


@pytest.mark.parametrize("limited", [False, True], ids=["bodies pass as they come", "bodies are held and limited"])
def test_any_body_passes_unharmed(model, tmp_path, limited):
    """Of those that are too large, or that nobody can read, only the fact is told."""
    more = {"MAX_BODY_BYTES": 4 * 2**20} if limited else {}
    sizes = [0, 1, MOST_BYTES, MOST_BYTES + 1, 3 * 2**20]
    with running_proxy(model, tmp_path, **more) as proxy:
        proxy.wait_until(proxy.report)
        proxy.route(capture_percent=100)
        for size in sizes:
            body = os.urandom(size)
            answer = proxy.ask(PATH, "POST", body)
            assert answer.status == 200
            assert answer.body == (body or f"POST {PATH}".encode())
        proxy.wait_until(lambda: proxy.received() == len(sizes))
        assert proxy.report()["records"]["unread"] == len(sizes)
        assert b"lua.errors: 0" in proxy.ask("/stats?filter=lua", port=proxy.admin).body


def test_a_body_beyond_the_limit_is_refused_as_ever(model, tmp_path):
    """The limit's answer stays the limit's."""
    with running_proxy(model, tmp_path, MAX_BODY_BYTES=1000) as proxy:
        proxy.route(capture_percent=100)
        answer = proxy.ask(PATH, "POST", bytes(2000))
        assert answer.status == 413
        assert b"limits.maxBody" in answer.body
        assert infer(proxy, [1]).status == 200


def test_a_stream_passes_as_it_comes(proxy):
    """The first event arrives before the second exists."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10)
    connection.request("POST", "/stream", b'{"instances": [1]}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.read(9) == b"data: 1\n\n"
    proxy.model.go.set()
    assert answer.read() == b"data: 2\n\n"
    connection.close()
    proxy.wait_until(lambda: proxy.received() == 1)
    told = proxy.report()
    assert (told["live"]["inputs"]["rows"], told["live"]["predictions"]["rows"]) == (1, 0)
    assert told["records"]["unread"] == 1


def test_a_chunked_request_passes_unharmed(proxy):
    """Its length is not known before its end."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10)
    connection.request("POST", PATH, iter([b'{"instances":', b" [1]}"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    proxy.wait_until(lambda: proxy.received() == 1)
    assert proxy.report()["live"]["inputs"]["rows"] == 0


def test_agreement_of_two_models_under_mirroring(peers):
    """Exactly those requests disagree to which the candidate answers something else; the data never leaves the Pods."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(mirror_percent=100, capture_percent=100, tolerance=0.01)
    candidate.route(capture_percent=100, tolerance=0.01, candidate=True)

    def predicts(slightly_off: float, refuses: int) -> Any:
        def answer(body: bytes) -> bytes:
            (row,) = json.loads(body)["instances"]
            value = -1.0 if row[0] == refuses else 100 * (1 + slightly_off) + row[0] % 5
            return json.dumps({"predictions": [value]}).encode()

        return answer

    stable.model.answers = predicts(0, refuses=-1)
    candidate.model.answers = predicts(0.005, refuses=7)
    for n in range(60):
        assert infer(stable, [n % 10]).status == 200
    candidate.wait_until(lambda: candidate.report()["pairs"]["compared"] == 60)
    told = candidate.report()
    assert told["pairs"] == {"compared": 60, "agreed": 54, "unpaired": 0}
    assert told["live"]["inputs"]["rows"] == 0
    assert told["mirrored"]["predictions"]["rows"] == 60
    assert stable.report()["pairs"] == {"compared": 0, "agreed": 0, "unpaired": 0}
    metrics = candidate.ask("/monitor/metrics", port=candidate.stats).body
    assert b'modelops_capture_pairs_total{found="different"} 6.0' in metrics


def test_share_copies_and_capture_are_drawn_independently(peers):
    """Of each half a half: if any two went together, or apart, all or nothing would be compared."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(weight=50, mirror_percent=50, capture_percent=50, tolerance=0)
    candidate.route(capture_percent=0, candidate=True)
    for n in range(400):
        infer(stable, [n])
    served = sum(path == PATH for path, _ in stable.model.asked)
    copies = sum("x-modelops-mirrored" in headers for _, headers in candidate.model.asked)
    kept = sum(headers.get("x-modelops-mirrored") == "127.0.0.2" for _, headers in candidate.model.asked)
    stable.wait_until(lambda: stable.received() > 60)
    assert 150 < served < 250
    assert 60 < copies < 140
    assert 25 < kept < 80


def test_a_clients_own_request_ids_confuse_nothing(peers):
    """Even one for all requests: only answers to the very same request are compared."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(mirror_percent=100, capture_percent=100, tolerance=0)
    candidate.route(capture_percent=100, tolerance=0, candidate=True)
    for n in range(20):
        infer(stable, [n], X_Request_Id="always the same")
    candidate.wait_until(lambda: candidate.report()["pairs"]["compared"] == 20)
    assert candidate.report()["pairs"]["agreed"] == 20


def test_a_candidate_is_not_judged_by_what_clients_ask_it_themselves(peers):
    """Somebody tries it by its own Service, with inputs of any kind: only its share of the requests counts, and the
    header that tells them apart is nothing that a model sees or that a client can send to the stable version.
    """
    stable, candidate = peers.stable, peers.candidate
    candidate.route(capture_percent=100, candidate=True)
    stable.route(weight=100)
    infer(candidate, [1])
    infer(stable, [2], X_Modelops_Shared="mine")
    stable.route(weight=0, mirror_percent=100)
    infer(stable, [3], X_Modelops_Shared="mine")
    infer(candidate, [4])
    candidate.wait_until(lambda: candidate.received() == 2)
    told = candidate.report()
    assert dict(told["live"]["inputs"]["columns"]["instances[0]"]["numbers"]) == {2: 1}
    assert dict(told["mirrored"]["inputs"]["columns"]["instances[0]"]["numbers"]) == {3: 1}
    assert [path for path, _ in candidate.model.asked].count(PATH) == 4
    assert not any("x-modelops-forwarded" in headers for _, headers in candidate.model.asked + stable.model.asked)


async def test_the_operator_reads_both_sides(peers):
    """From the Pods' pages to what a judgement rests on."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(weight=50, mirror_percent=100, capture_percent=100)
    candidate.route(capture_percent=100, candidate=True)
    for n in range(60):
        infer(stable, [n])
    served = sum(path == PATH for path, _ in stable.model.asked)
    stable.wait_until(lambda: stable.received() == served)
    candidate.wait_until(lambda: candidate.received() == 60)
    found = await look_reports(["127.0.0.2", "127.0.0.1", "127.0.0.3"], stable.stats)
    assert found["127.0.0.3"] is None
    told = distributions(found["127.0.0.2"], found["127.0.0.1"], copies=False)
    assert told.inputs is not None
    assert told.predictions is not None
    assert told.inputs.stable.rows + told.inputs.candidate.rows == 60
    assert told.inputs.candidate.rows == told.predictions.candidate.rows > 0
    shadow = distributions(found["127.0.0.2"], found["127.0.0.1"], copies=True)
    assert shadow.predictions is not None
    assert shadow.predictions.candidate.rows == shadow.predictions.stable.rows


def test_a_killed_monitor_costs_no_request_and_counts_again(proxy):
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    monitor = proxy.children()["monitor"]
    done = threading.Event()
    answers: list[int] = []

    def load() -> None:
        while not done.is_set():
            answers.append(infer(proxy, [1]).status)

    thread = threading.Thread(target=load)
    thread.start()
    os.kill(monitor, signal.SIGKILL)
    proxy.wait_until(lambda: proxy.children().get("monitor", monitor) != monitor)
    proxy.wait_until(lambda: proxy.received() > 0)
    done.set()
    thread.join()
    assert set(answers) == {200}
    assert len(answers) > 50


def test_a_frozen_monitor_costs_no_request_and_what_is_lost_is_counted(proxy):
    """Envoy holds a little of it, and drops the rest."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    infer(proxy, [1])
    proxy.wait_until(lambda: proxy.received() == 1)
    os.kill(proxy.children()["monitor"], signal.SIGSTOP)
    body = json.dumps({"instances": [list(range(8_000))]}).encode()
    began = time.monotonic()
    answers = [proxy.ask(PATH, "POST", body, Content_Type="application/json") for _ in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.body == body for answer in answers)
    assert time.monotonic() - began < 20
    os.kill(proxy.children()["monitor"], signal.SIGCONT)
    proxy.wait_until(lambda: proxy.report()["records"]["dropped"] > 0)
    proxy.wait_until(lambda: proxy.received() + proxy.report()["records"]["dropped"] == 101)
    told = proxy.report()["records"]
    assert f"modelops_capture_records_dropped_total {told['dropped']}.0".encode() in (
        proxy.ask("/monitor/metrics", port=proxy.stats).body
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/monitor/report"),
        ("GET", "/monitor/report?x=1"),
        ("GET", "/monitor/report/"),
        ("GET", "/monitor/answers/"),
        ("GET", "/monitor/answers/../metrics"),
        ("GET", "/monitor/answers/abc"),
        ("GET", "/monitor/answers/" + 32 * "a" + "?x"),
        ("POST", "/monitor/answers/" + 32 * "a"),
    ],
)
def test_the_monitor_tells_no_more_than_its_pages(proxy, method, path):
    proxy.wait_until(proxy.report)
    assert proxy.ask(path, method, port=proxy.stats).status in (404, 501)
