"""Capture with the real Envoy: all requests on routes that enable it, and never at the cost of a request."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from modelops.controllers.inferenceservice.analysis.reports import distributions, fetch_reports
from support.proxy.proxies import TOKEN, Answer, Model, Pair, Proxy, running_model, running_proxy

PATH = "/v1/models/approval:predict"
MAX_CAPTURED_BYTES = 65_536


@pytest.fixture
def peers(model: Model, tmp_path: Path) -> Iterator[Pair]:
    """Run a stable Pod and a candidate's, whose monitors reach each other.

    They have addresses of their own, and the same port.
    """
    for name in ("candidate", "stable"):
        (tmp_path / name).mkdir()
    with running_model() as other, running_proxy(other, tmp_path / "candidate") as candidate:
        settings = {
            "LISTEN_ADDRESS": "127.0.0.2",
            "STATS_PORT": candidate.stats,
            "CANDIDATE_HOST": "127.0.0.1",
            "CANDIDATE_PORT": candidate.http,
        }
        with running_proxy(model, tmp_path / "stable", **settings) as stable:
            for proxy in (stable, candidate):
                proxy.wait_until(proxy.report)
            yield Pair(stable, candidate)


def infer(proxy: Proxy, *rows: list[Any], **headers: Any) -> Answer:
    body = json.dumps({"instances": list(rows)}).encode()
    return proxy.request(PATH, "POST", body, Content_Type="application/json", **headers)


def test_nothing_is_captured_unless_a_route_enables_it(proxy: Proxy) -> None:
    """Without a rollout that needs it, no body is copied and nothing is sent."""
    proxy.wait_until(proxy.report)
    for n in range(20):
        assert infer(proxy, [n]).status == 200
    stats = proxy.request("/stats?filter=lua|logs_written", port=proxy.admin).body.decode()
    assert all(line.endswith(": 0") for line in stats.splitlines())
    assert proxy.received() == 0


def test_every_request_is_counted_by_column(proxy: Proxy) -> None:
    """Both versions' inputs and predictions are compared by these counts, so none may be missing."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    proxy.model.respond = lambda body: json.dumps({"predictions": [sum(json.loads(body)["instances"][0])]}).encode()
    for n in range(40):
        assert infer(proxy, [n % 4, 10]).status == 200
    proxy.wait_until(lambda: proxy.received() == 40)
    report = proxy.report()
    columns = report["live"]["inputs"]["columns"]
    assert dict(columns["instances[0]"]["numbers"]) == {0: 10, 1: 10, 2: 10, 3: 10}
    assert dict(columns["instances[1]"]["numbers"]) == {10: 40}
    assert dict(report["live"]["predictions"]["columns"]["predictions"]["numbers"]) == {10: 10, 11: 10, 12: 10, 13: 10}
    assert report["live"]["inputs"]["rows"] == report["live"]["predictions"]["rows"] == 40
    assert report["mirrored"]["inputs"]["rows"] == 0
    assert report["records"] == {"received": 40, "unread": 0, "dropped": 0}
    metrics = proxy.request("/monitor/metrics", port=proxy.stats).body
    assert b"modelops_capture_records_received_total 40.0" in metrics
    assert b"modelops_capture_records_dropped_total 0.0" in metrics


def test_capture_can_be_disabled_again(proxy: Proxy) -> None:
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    infer(proxy, [1])
    proxy.route(capture_percent=0)
    infer(proxy, [1])
    proxy.wait_until(lambda: proxy.received() == 1)


def test_a_percentage_of_the_requests_answered_here_is_captured(proxy: Proxy) -> None:
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=25)
    proxy.post_many(1200)
    sent = b"logs_written: %d\n"
    proxy.wait_until(lambda: sent % proxy.received() in proxy.request("/stats?filter=written", port=proxy.admin).body)
    assert 220 < proxy.received() < 380


@pytest.mark.parametrize("limited", [False, True], ids=["bodies are streamed without a limit", "bodies are limited"])
def test_any_body_passes_unchanged(model: Model, tmp_path: Path, limited: bool) -> None:
    """Bodies that are too large or unreadable are counted as unread."""
    settings = {"MAX_BODY_BYTES": 4 * 2**20} if limited else {}
    sizes = [0, 1, MAX_CAPTURED_BYTES, MAX_CAPTURED_BYTES + 1, 3 * 2**20]
    with running_proxy(model, tmp_path, **settings) as proxy:
        proxy.wait_until(proxy.report)
        proxy.route(capture_percent=100)
        for size in sizes:
            body = os.urandom(size)
            response = proxy.request(PATH, "POST", body)
            assert response.status == 200
            assert response.body == (body or f"POST {PATH}".encode())
        proxy.wait_until(lambda: proxy.received() == len(sizes))
        assert proxy.report()["records"]["unread"] == len(sizes)
        assert b"lua.errors: 0" in proxy.request("/stats?filter=lua", port=proxy.admin).body


def test_a_body_beyond_the_limit_is_rejected_under_capture_too(model: Model, tmp_path: Path) -> None:
    """The error is the one of the limit."""
    with running_proxy(model, tmp_path, MAX_BODY_BYTES=1000) as proxy:
        proxy.route(capture_percent=100)
        response = proxy.request(PATH, "POST", bytes(2000))
        assert response.status == 413
        assert b"limits.maxBody" in response.body
        assert infer(proxy, [1]).status == 200


def test_a_streamed_response_is_not_delayed(proxy: Proxy) -> None:
    """The first event arrives before the model sends the second."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10)
    connection.request("POST", "/stream", b'{"instances": [1]}', {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.read(9) == b"data: 1\n\n"
    proxy.model.proceed.set()
    assert response.read() == b"data: 2\n\n"
    connection.close()
    proxy.wait_until(lambda: proxy.received() == 1)
    report = proxy.report()
    assert (report["live"]["inputs"]["rows"], report["live"]["predictions"]["rows"]) == (1, 0)
    assert report["records"]["unread"] == 1


def test_a_chunked_request_passes_unchanged(proxy: Proxy) -> None:
    """Its length is unknown until its end, so it is not captured."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10)
    connection.request("POST", PATH, iter([b'{"instances":', b" [1]}"]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    proxy.wait_until(lambda: proxy.received() == 1)
    assert proxy.report()["live"]["inputs"]["rows"] == 0


def test_predictions_for_mirrored_requests_are_compared(peers: Pair) -> None:
    """Exactly the requests that the candidate answers differently disagree, and predictions pass between Pods only."""
    stable, candidate = peers.stable, peers.candidate
    # Envoy drops the records of requests before its monitor listens.
    stable.wait_until(stable.report)
    candidate.wait_until(candidate.report)
    stable.route(mirror_percent=100, capture_percent=100, tolerance=0.01, token=TOKEN)
    candidate.route(capture_percent=100, tolerance=0.01, candidate=True, token=TOKEN)

    def predicts(slightly_off: float, refuses: int) -> Any:
        def respond(body: bytes) -> bytes:
            (row,) = json.loads(body)["instances"]
            value = -1.0 if row[0] == refuses else 100 * (1 + slightly_off) + row[0] % 5
            return json.dumps({"predictions": [value]}).encode()

        return respond

    stable.model.respond = predicts(0, refuses=-1)
    candidate.model.respond = predicts(0.005, refuses=7)
    for n in range(60):
        assert infer(stable, [n % 10]).status == 200
    candidate.wait_until(lambda: candidate.report()["pairs"]["compared"] == 60)
    report = candidate.report()
    assert report["pairs"] == {"compared": 60, "agreed": 54, "unpaired": 0}
    assert report["live"]["inputs"]["rows"] == 0
    assert report["mirrored"]["predictions"]["rows"] == 60
    assert stable.report()["pairs"] == {"compared": 0, "agreed": 0, "unpaired": 0}
    metrics = candidate.request("/monitor/metrics", port=candidate.stats).body
    assert b'modelops_capture_pairs_total{found="different"} 6.0' in metrics


def test_weight_mirroring_and_capture_are_sampled_independently(peers: Pair) -> None:
    """Half of each half: if two were correlated, all or none of the requests would be compared."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(weight=50, mirror_percent=50, capture_percent=50, tolerance=0, token=TOKEN)
    candidate.route(capture_percent=100, tolerance=0, candidate=True, token=TOKEN)
    for n in range(400):
        infer(stable, [n])
    served = sum(path == PATH for path, _ in stable.model.requests)
    mirrored = sum("x-modelops-mirrored" in headers for _, headers in candidate.model.requests)
    stable.wait_until(lambda: stable.received() > 60)
    assert 150 < served < 250
    assert 60 < mirrored < 140
    candidate.wait_until(lambda: 25 < candidate.report()["pairs"]["compared"] < 80)


def test_predictions_are_paired_even_if_all_requests_have_one_id(peers: Pair) -> None:
    """Only predictions for the very same request are compared."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(mirror_percent=100, capture_percent=100, tolerance=0, token=TOKEN)
    candidate.route(capture_percent=100, tolerance=0, candidate=True, token=TOKEN)
    for n in range(20):
        infer(stable, [n], X_Request_Id="always the same")
    candidate.wait_until(lambda: candidate.report()["pairs"]["compared"] == 20)
    assert candidate.report()["pairs"]["agreed"] == 20


MARKS: dict[str, dict[str, str]] = {
    "no mark": {},
    "plain marks": {"X_Modelops_Forwarded": "true", "X_Modelops_Mirrored": "true"},
    "a mark with an address": {"X_Modelops_Mirrored": "127.0.0.2"},
    "a wrong token": {"X_Modelops_Forwarded": TOKEN[::-1], "X_Modelops_Mirrored": f"{TOKEN[::-1]} 127.0.0.2"},
    "a part of the token": {"X_Modelops_Forwarded": TOKEN[:-1], "X_Modelops_Mirrored": f"{TOKEN[:-1]} 127.0.0.2"},
    "more than the token": {"X_Modelops_Forwarded": f"{TOKEN}0", "X_Modelops_Mirrored": f"{TOKEN}0 127.0.0.2"},
}


def test_requests_sent_to_the_candidates_own_service_are_not_captured(peers: Pair) -> None:
    """Only requests passed on by the stable version count: a client can neither fail nor pass an analysis.

    Without the rollout's token no header makes a request count, and none makes the monitor ask another Pod.
    """
    stable, candidate = peers.stable, peers.candidate
    candidate.route(capture_percent=100, tolerance=0, candidate=True, token=TOKEN)
    stable.route(weight=100, capture_percent=100, tolerance=0, token=TOKEN)
    for headers in MARKS.values():
        assert infer(candidate, [1], **headers).status == 200
    infer(stable, [2], X_Modelops_Forwarded="mine", X_Modelops_Mirrored="true")
    stable.route(weight=0, mirror_percent=100, capture_percent=100, tolerance=0, token=TOKEN)
    infer(stable, [3], X_Modelops_Forwarded="mine", X_Modelops_Mirrored=f"{TOKEN} 127.0.0.2")
    candidate.wait_until(lambda: candidate.report()["pairs"]["compared"] == 1)
    report = candidate.report()
    assert report["records"]["received"] == 2
    assert report["pairs"] == {"compared": 1, "agreed": 1, "unpaired": 0}
    assert dict(report["live"]["inputs"]["columns"]["instances[0]"]["numbers"]) == {2: 1}
    assert dict(report["mirrored"]["inputs"]["columns"]["instances[0]"]["numbers"]) == {3: 1}
    assert [path for path, _ in candidate.model.requests].count(PATH) == len(MARKS) + 2
    assert dict(stable.report()["live"]["inputs"]["columns"]["instances[0]"]["numbers"]) == {3: 1}


@pytest.mark.parametrize("candidate_routes", ["of a candidate", "of before the rollout"])
def test_no_model_gets_the_token(peers: Pair, candidate_routes: str) -> None:
    """A candidate's model that knew the token could judge itself, by requests to its own Service.

    Its proxy may get its routes after the stable version's have begun to mark requests.
    """
    stable, candidate = peers.stable, peers.candidate
    if candidate_routes == "of a candidate":
        candidate.route(capture_percent=100, tolerance=0, candidate=True, token=TOKEN)
    for changed in ({"weight": 100}, {"mirror_percent": 100}, {"mirror_percent": 100, "tolerance": 0}):
        stable.route(capture_percent=100, token=TOKEN, **changed)
        infer(stable, [1])
    stable.wait_until(lambda: [path for path, _ in candidate.model.requests].count(PATH) == 3)
    requests = [*stable.model.requests, *candidate.model.requests]
    assert not any("x-modelops-forwarded" in headers for _, headers in requests)
    assert TOKEN not in str(requests)
    mirrored = [headers["x-modelops-mirrored"] for _, headers in requests if "x-modelops-mirrored" in headers]
    assert mirrored == ["true", "true"]


def test_the_token_is_on_no_page(peers: Pair) -> None:
    """Any Pod that reaches port 9090 could mark its requests."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(weight=50, mirror_percent=100, capture_percent=100, tolerance=0, token=TOKEN)
    candidate.route(capture_percent=100, tolerance=0, candidate=True, token=TOKEN)
    infer(stable, [1])
    for proxy in (stable, candidate):
        for path in (
            "/metrics",
            "/monitor/metrics",
            "/monitor/report",
            "/ready",
            "/figures",
            "/routes",
            "/config_dump",
        ):
            assert TOKEN.encode() not in proxy.request(path, port=proxy.stats).body
        assert TOKEN.encode() in proxy.request("/config_dump", port=proxy.admin).body
        assert TOKEN not in proxy.log.read_text()


async def test_the_operator_reads_the_reports_of_both_versions(peers: Pair) -> None:
    """The Pods' reports become the distributions that an analysis compares."""
    stable, candidate = peers.stable, peers.candidate
    stable.route(weight=50, mirror_percent=100, capture_percent=100, token=TOKEN)
    candidate.route(capture_percent=100, candidate=True, token=TOKEN)
    for n in range(60):
        infer(stable, [n])
    served = sum(path == PATH for path, _ in stable.model.requests)
    stable.wait_until(lambda: stable.received() == served)
    candidate.wait_until(lambda: candidate.received() == 60)
    addresses = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
    reports = await fetch_reports(addresses, nullcontext, nullcontext, lambda entries: True, stable.stats)
    assert reports["127.0.0.3"] is None
    live = distributions(reports["127.0.0.2"], reports["127.0.0.1"], mirrored=False)
    assert live.inputs is not None
    assert live.predictions is not None
    assert live.inputs.stable.rows + live.inputs.candidate.rows == 60
    assert live.inputs.candidate.rows == live.predictions.candidate.rows > 0
    mirrored = distributions(reports["127.0.0.2"], reports["127.0.0.1"], mirrored=True)
    assert mirrored.predictions is not None
    assert mirrored.predictions.candidate.rows == mirrored.predictions.stable.rows


def test_a_killed_monitor_loses_no_request_and_counts_again(proxy: Proxy) -> None:
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    monitor = proxy.children()["monitor"]
    done = threading.Event()
    statuses: list[int] = []

    def load() -> None:
        while not done.is_set():
            statuses.append(infer(proxy, [1]).status)

    thread = threading.Thread(target=load)
    thread.start()
    os.kill(monitor, signal.SIGKILL)
    proxy.wait_until(lambda: proxy.children().get("monitor", monitor) != monitor)
    proxy.wait_until(lambda: proxy.received() > 0)
    done.set()
    thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 50


def test_a_frozen_monitor_loses_no_request_and_dropped_records_are_counted(proxy: Proxy) -> None:
    """Envoy buffers some records, and drops the rest."""
    proxy.wait_until(proxy.report)
    proxy.route(capture_percent=100)
    infer(proxy, [1])
    proxy.wait_until(lambda: proxy.received() == 1)
    os.kill(proxy.children()["monitor"], signal.SIGSTOP)
    body = json.dumps({"instances": [list(range(8_000))]}).encode()
    began = time.monotonic()
    responses = [proxy.request(PATH, "POST", body, Content_Type="application/json") for _ in range(100)]
    assert {response.status for response in responses} == {200}
    assert all(response.body == body for response in responses)
    assert time.monotonic() - began < 20
    os.kill(proxy.children()["monitor"], signal.SIGCONT)
    proxy.wait_until(lambda: proxy.report()["records"]["dropped"] > 0)
    proxy.wait_until(lambda: proxy.received() + proxy.report()["records"]["dropped"] == 101)
    records = proxy.report()["records"]
    assert f"modelops_capture_records_dropped_total {records['dropped']}.0".encode() in (
        proxy.request("/monitor/metrics", port=proxy.stats).body
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
def test_only_the_monitors_pages_can_be_reached(proxy: Proxy, method: str, path: str) -> None:
    proxy.wait_until(proxy.report)
    assert proxy.request(path, method, port=proxy.stats).status in (404, 501)
