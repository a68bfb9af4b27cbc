"""A rollout as clients see it: weights, mirrored requests, and the effects of a failing candidate."""

import http.client
import json
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import Cluster, Counters, counters, parse_json
from modelops.controllers.inferenceservice.traffic.envoy_routes import routes
from support.proxy.echo import echo_server
from support.proxy.proxies import Answer, Model, Pair, Proxy, running_proxy, split

STABLE = "approval-1%"
CANDIDATE = "approval-2"


def versions(responses: list[Answer]) -> Counter[str]:
    assert {response.status for response in responses} == {200}
    assert [response.body for response in responses] == [str(number).encode() for number in range(len(responses))]
    return Counter(response.headers["x-modelops-model-version"] for response in responses)


def counted(proxy: Proxy, cluster: Cluster = "candidate") -> Counters:
    """Return the counters that an analysis reads."""
    return counters(parse_json(proxy.request("/figures", port=proxy.stats).body), cluster)


def refuses(port: int) -> bool:
    """Return whether connections to a port are refused."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def around(expected: float, of: int) -> Any:
    """Match numbers within five standard deviations: a random count is farther away once in 1.7 million times."""
    probability = expected / of
    return pytest.approx(expected, abs=5 * (of * probability * (1 - probability)) ** 0.5)


def test_weights_and_mirroring_are_exact(pair: Pair) -> None:
    """The candidate answers 20 % of the requests, and half of the others are mirrored to it."""
    pair.stable.route(weight=20, mirror_percent=50)
    counts = versions(pair.stable.post_many(2_000))
    assert counts.total() == 2_000
    assert counts[CANDIDATE] == around(400, of=2_000)
    pair.stable.wait_until(lambda: pair.stable.statistics()["cluster.candidate.upstream_rq_active"] == 0)
    received = [headers for path, headers in pair.candidate.model.requests if path == "/invocations"]
    mirrored = sum("x-modelops-mirrored" in headers for headers in received)
    assert len(received) - mirrored == counts[CANDIDATE]
    assert mirrored == around(counts[STABLE] / 2, of=counts[STABLE])
    assert all("x-modelops-mirrored" not in headers for _, headers in pair.stable.model.requests)


def test_a_new_weight_takes_effect_under_load_without_losing_a_request(pair: Pair) -> None:
    """Weights change under load. Envoy reports each change by the name of its routes, and no request is lost."""
    done = threading.Event()
    responses: list[Answer] = []

    def load() -> None:
        while not done.is_set():
            responses.extend(pair.stable.post_many(20, threads=1))

    def more_responses_than(count: int) -> Callable[[], bool]:
        return lambda: len(responses) > count

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for weight in (5, 20, 50, 80, 100, 50, 0):
        pair.stable.route(weight=weight, mirror_percent=weight)
        pair.stable.wait_until(more_responses_than(len(responses)))
    done.set()
    for thread in threads:
        thread.join()
    assert {response.status for response in responses} == {200}
    assert versions(pair.stable.post_many(50)) == {STABLE: 50}
    pair.stable.route(weight=100)
    assert versions(pair.stable.post_many(50)) == {CANDIDATE: 50}


def test_malformed_routes_change_nothing(pair: Pair) -> None:
    """Whatever the ConfigMap contains, requests are answered as before."""
    pair.stable.route(weight=100)
    before = pair.stable.routes_in_effect()
    for text in ('{"resources": [{}]}', "{", ""):
        pair.stable.mount.write_text(text)
        pair.stable.wait_until(pair.stable.refusal)
        assert pair.stable.routes_in_effect() == before
        assert versions(pair.stable.post_many(20)) == {CANDIDATE: 20}
        pair.stable.mount.write(split(weight=100))
        pair.stable.wait_until(lambda: pair.stable.refusal() is None)


def test_routes_of_another_form_are_refused_and_told(pair: Pair) -> None:
    """Who may edit ConfigMaps must not lead clients to the admin interface or past the model.

    The log and the monitor say so, until the operator has put its own routes back.
    """
    stable = pair.stable
    stable.wait_until(stable.report)
    before = stable.routes_in_effect()
    document = routes(split(weight=100))
    (host,) = document["resources"][0]["virtual_hosts"]
    host["routes"][-1]["route"]["cluster"] = "admin"
    stable.mount.write_text(json.dumps(document))
    stable.wait_until(stable.refusal)
    assert b"modelops_routes_refused 1.0" in stable.request("/monitor/metrics", port=stable.stats).body
    assert "routes refused: resources.0.virtual_hosts.0.routes.2.route.cluster" in stable.log.read_text()
    assert stable.routes_in_effect() == before
    assert stable.request("/server_info", "POST", b"x").body == b"x"
    stable.route(weight=100)
    stable.wait_until(lambda: stable.refusal() is None)
    assert b"modelops_routes_refused 0.0" in stable.request("/monitor/metrics", port=stable.stats).body
    assert versions(stable.post_many(20)) == {CANDIDATE: 20}


def test_a_slow_candidate_does_not_delay_mirrored_requests(pair: Pair) -> None:
    """No client waits for the response to a mirrored request."""
    pair.stable.model.proceed.set()
    pair.stable.route(mirror_percent=100)
    assert pair.stable.request("/slow").headers["x-modelops-model-version"] == STABLE
    assert pair.candidate.model.arrived.wait(60)


def test_a_client_cannot_mark_its_request_as_mirrored_to_the_candidate(pair: Pair) -> None:
    """Mirrored requests are analyzed apart."""
    pair.stable.route(weight=100)
    assert pair.stable.request("/mine", x_modelops_mirrored="true").status == 200
    ((_, headers),) = [request for request in pair.candidate.model.requests if request[0] == "/mine"]
    assert "x-modelops-mirrored" not in headers


def test_a_client_cannot_mark_its_request_as_mirrored_to_the_stable_version(pair: Pair) -> None:
    """The stable version's prediction would not be stored, and its distributions would lack the request."""
    pair.stable.route(mirror_percent=100)
    assert pair.stable.request("/mine", x_modelops_mirrored="10.9.9.9").status == 200
    pair.stable.wait_until(lambda: "/mine" in [path for path, _ in pair.candidate.model.requests])
    ((_, headers),) = [request for request in pair.stable.model.requests if request[0] == "/mine"]
    ((_, mirrored_headers),) = [request for request in pair.candidate.model.requests if request[0] == "/mine"]
    assert "x-modelops-mirrored" not in headers
    assert mirrored_headers["x-modelops-mirrored"] == "true"


def test_large_bodies_are_mirrored(pair: Pair) -> None:
    """A large request matters to an analysis as much as any other."""
    pair.stable.route(mirror_percent=100)
    body = bytes(3 * 2**20)
    assert pair.stable.request("/invocations", "POST", body).body == body
    pair.stable.wait_until(lambda: pair.candidate.statistics().get("cluster.model.upstream_rq_2xx") == 1)


def test_a_terminated_candidate_without_weight_affects_no_request(pair: Pair) -> None:
    """After a rollback to weight 0 every request is answered, mirrored or not."""
    pair.stable.route(weight=50)
    pair.stable.post_many(20)
    pair.stable.route(weight=0, mirror_percent=100)
    os.killpg(pair.candidate.process.pid, 9)
    assert versions(pair.stable.post_many(200)) == {STABLE: 200}


def test_the_stable_version_answers_for_a_terminated_candidate(pair: Pair) -> None:
    """No request is lost, and each response names the version that gave it.

    The candidate's only Pod may be replaced, or all may crash. Requests that the stable version answers in its place
    count neither as the candidate's errors nor as its successes.
    """
    pair.stable.route(weight=50)
    by_candidate = versions(pair.stable.post_many(20))[CANDIDATE]
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    responses = pair.stable.post_many(200)
    assert versions(responses) == {STABLE: 200}
    assert {response.headers["x-modelops-revision"] for response in responses} == {"abc"}
    routed_to_candidate = pair.stable.statistics()["cluster.candidate.upstream_rq_completed"]
    assert routed_to_candidate > by_candidate + 50
    pair.stable.wait_until(lambda: pair.stable.latency_count("cluster.candidate") == routed_to_candidate)
    candidate, stable = counted(pair.stable), counted(pair.stable, "model")
    assert (candidate.requests, candidate.errors, candidate.timed) == (by_candidate, 0, by_candidate)
    assert (stable.requests, stable.errors) == (220 - by_candidate, 0)
    assert not any("x-modelops-forwarded" in headers for _, headers in pair.stable.model.requests)


def test_the_stable_version_answers_grpc_for_a_terminated_candidate(pair: Pair) -> None:
    """The response names the stable version."""
    pair.stable.route(weight=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    with echo_server(pair.stable.grpc), grpc.insecure_channel(f"127.0.0.1:{pair.stable.http}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        response, call = infer.with_call(b"hello", timeout=10)
    assert response == b"hello"
    assert dict(call.initial_metadata())["x-modelops-model-version"] == STABLE
    assert counted(pair.stable) == Counters()
    assert counted(pair.stable, "model").requests == 1


def test_a_draining_pod_still_answers_for_a_terminated_candidate(pair: Pair) -> None:
    """Clients are asked to reconnect, and requests sent until then are answered: no listener may stop before."""
    pair.stable.route(weight=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    drained = pair.stable.request("/drain_listeners?graceful&skip_exit", "POST", port=pair.stable.admin)
    assert drained.status == 200
    assert versions(pair.stable.post_many(20)) == {STABLE: 20}


def test_a_mirrored_request_that_reaches_no_candidate_is_an_error(pair: Pair) -> None:
    """Mirrored requests are not retried, and the stable version does not answer for the candidate."""
    pair.stable.route(mirror_percent=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    assert versions(pair.stable.post_many(10)) == {STABLE: 10}
    pair.stable.wait_until(lambda: counted(pair.stable).requests == 10)
    assert counted(pair.stable) == Counters(requests=10, errors=10)
    assert counted(pair.stable, "model").requests == 10


def test_a_candidate_that_crashes_during_a_request_has_failed_it(pair: Pair) -> None:
    """The request must not run twice: its client gets an error, which counts as the candidate's."""
    pair.stable.route(weight=100)
    responses: list[Answer] = []
    client = threading.Thread(target=lambda: responses.append(pair.stable.request("/slow", "POST", b"x")))
    client.start()
    assert pair.candidate.model.arrived.wait(60)
    os.killpg(pair.candidate.process.pid, 9)
    client.join()
    assert [response.status for response in responses] == [503]
    candidate = counted(pair.stable)
    assert (candidate.requests, candidate.errors) == (1, 1)


def test_the_proxy_starts_if_the_candidates_name_does_not_resolve(model: Model, tmp_path: Path) -> None:
    """The stable version starts and serves without DNS."""
    with running_proxy(model, tmp_path, CANDIDATE_HOST="credit-candidate.bank.svc.invalid") as proxy:
        assert versions(proxy.post_many(20)) == {STABLE: 20}


def test_probes_are_answered_by_the_own_model_and_not_counted(pair: Pair) -> None:
    """A Pod is as ready as its own model, and statistics cover requests only."""
    pair.stable.route(weight=100)
    before = len(pair.candidate.model.requests)
    response = pair.stable.request("/ready", user_agent="kube-probe")
    assert response.headers["x-modelops-model-version"] == STABLE
    assert ("/ready", "kube-probe") in [
        (path, headers.get("user-agent")) for path, headers in pair.stable.model.requests
    ]
    assert not any(headers.get("user-agent") == "kube-probe" for _, headers in pair.candidate.model.requests[before:])
    statistics = pair.stable.statistics()
    assert statistics["cluster.model.upstream_rq_total"] == statistics["cluster.candidate.upstream_rq_total"] == 0


def test_a_post_to_the_readiness_path_is_a_request_not_a_probe(pair: Pair) -> None:
    """A server may answer both at one path."""
    pair.stable.route(weight=100)
    assert pair.stable.request("/ready", "POST", b"x").headers["x-modelops-model-version"] == CANDIDATE


def test_connections_to_the_candidate_are_renewed_every_100_requests(pair: Pair) -> None:
    """A connection through a Service stays with one Pod: a new Pod gets requests only by new connections."""
    pair.stable.route(weight=100)
    pair.stable.post_many(250, threads=1)
    text = pair.stable.request("/stats?filter=cluster.candidate.upstream_cx_total", port=pair.stable.admin).body
    assert text == b"cluster.candidate.upstream_cx_total: 3\n"


def test_grpc_is_divided_by_weight(pair: Pair) -> None:
    """It has clusters of its own, and the same weights."""
    with echo_server(pair.stable.grpc), echo_server(pair.candidate.grpc):
        for weight, expect in ((0, STABLE), (100, CANDIDATE)):
            pair.stable.route(weight=weight)
            with grpc.insecure_channel(f"127.0.0.1:{pair.stable.http}") as channel:
                infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                response, call = infer.with_call(b"hello", timeout=10)
            assert response == b"hello"
            assert dict(call.initial_metadata())["x-modelops-model-version"] == expect


def test_statistics_are_separate_for_both_versions(pair: Pair) -> None:
    """An analysis reads the number of requests, their errors and their latencies."""
    pair.stable.route(weight=50)
    counts = versions(pair.stable.post_many(100))
    statistics = pair.stable.statistics()
    assert statistics["cluster.model.upstream_rq_2xx"] == counts[STABLE]
    assert statistics["cluster.candidate.upstream_rq_2xx"] == counts[CANDIDATE]
    pair.stable.wait_until(lambda: pair.stable.latency_count("cluster.candidate") == counts[CANDIDATE])


def test_a_new_weight_applies_to_kept_alive_connections(pair: Pair) -> None:
    """A client that keeps its connection gets the new version with its next request."""
    connection = http.client.HTTPConnection("127.0.0.1", pair.stable.http, timeout=10)
    for weight, expect in ((0, STABLE), (100, CANDIDATE)):
        pair.stable.route(weight=weight)
        connection.request("POST", "/invocations", b"x")
        response = connection.getresponse()
        assert response.read() == b"x"
        assert response.headers["x-modelops-model-version"] == expect
    connection.close()
