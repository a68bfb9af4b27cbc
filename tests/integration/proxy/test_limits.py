"""What a Pod refuses, and that it says why: a status and a JSON body, whatever the model does."""

import http.client
import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import grpc
import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import counters, parse_json
from support.echo import echo_server
from support.proxies import free_ports, running_model, running_proxy

MOST_BYTES = 100_000


@pytest.fixture
def limited(model, tmp_path) -> Iterator:
    """A proxy with all limits but the deadline, which is a matter of routes."""
    with running_proxy(model, tmp_path, MAX_BODY_BYTES=MOST_BYTES, MAX_CONCURRENCY=1) as proxy:
        yield proxy


def error(answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-modelops-model-version"] == "approval-1%"
    told = json.loads(answer.body)
    assert list(told) == ["error"]
    return told["error"]


def test_a_body_that_is_too_large_is_413(limited):
    """One byte decides, and the model never sees it."""
    assert limited.ask("/", "POST", bytes(MOST_BYTES)).status == 200
    answer = limited.ask("/large", "POST", bytes(MOST_BYTES + 1))
    assert answer.status == 413
    assert error(answer) == "the body is larger than 100000 bytes: see limits.maxBody of the InferenceService"
    assert "/large" not in [path for path, _ in limited.model.asked]


def test_a_body_of_untold_length_is_held_to_the_limit_too(limited):
    """It comes in chunks: only its end says how long it is."""
    for size, status in ((MOST_BYTES, 200), (MOST_BYTES + 1, 413)):
        connection = http.client.HTTPConnection("127.0.0.1", limited.http, timeout=10)
        connection.request("POST", f"/chunks-{size}", iter([bytes(1000)] * (size // 1000) + [bytes(size % 1000)]))
        assert connection.getresponse().status == status
        connection.close()
    assert f"/chunks-{MOST_BYTES + 1}" not in [path for path, _ in limited.model.asked]


def test_a_model_with_its_hands_full_is_429(limited):
    """The client is told when to come back, probes are not refused, and the operator can tell it from an error."""
    slow = threading.Thread(target=limited.ask, args=("/slow",))
    slow.start()
    assert limited.model.arrived.wait(10)
    answer = limited.ask("/", "POST", b"x")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert error(answer).startswith("this Pod works on 1 requests already: ")
    assert limited.ask("/ready").status == 200
    assert limited.figures()["cluster.model.upstream_rq_active"] == 1
    assert limited.figures()["cluster.model.upstream_rq_active_overflow"] == 1
    limited.model.go.set()
    slow.join()
    assert limited.ask("/", "POST", b"x").status == 200


def test_who_turns_a_client_away_has_failed_it_on_either_side(limited, tmp_path):
    """A candidate that refuses half of its requests is no better than a stable version that does: both are errors."""
    directory = tmp_path / "stable"
    directory.mkdir()
    told = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": limited.http, "MAX_CONCURRENCY": 1}
    with running_model() as model, running_proxy(model, directory, **told) as stable:
        for weight, cluster, busy in ((100, "candidate", limited.model), (0, "model", model)):
            stable.route(weight=weight)
            slow = threading.Thread(target=stable.ask, args=("/slow",))
            slow.start()
            assert busy.arrived.wait(10)
            assert stable.ask("/", "POST", b"x").status == 429
            busy.go.set()
            slow.join()
            assert stable.ask("/status/429", "POST", b"x").status == 429
            seen = counters(parse_json(stable.ask("/figures", port=stable.stats).body), cluster)
            assert (seen.requests, seen.errors) == (3, 2)


def test_a_model_takes_no_more_instead_of_a_candidate_than_of_its_own(model, tmp_path):
    """A candidate that goes must not take the stable version with it."""
    (nobody,) = free_ports(1)
    told = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": nobody, "MAX_CONCURRENCY": 1}
    with running_proxy(model, tmp_path, **told) as stable:
        stable.route(weight=100)
        slow = threading.Thread(target=stable.ask, args=("/slow",))
        slow.start()
        assert model.arrived.wait(10)
        answer = stable.ask("/", "POST", b"x")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert error(answer).startswith("this Pod works on 1 requests already: ")
        model.go.set()
        slow.join()


def test_an_answer_that_is_late_is_504(proxy):
    """And counts as an error of the model's."""
    proxy.route(timeout=timedelta(milliseconds=200))
    answer = proxy.ask("/slow")
    assert answer.status == 504
    assert error(answer) == "the model did not answer in time: see limits.timeout of the InferenceService"
    figures = proxy.figures()
    assert figures["cluster.model.upstream_rq_timeout"] == figures["cluster.model.upstream_rq_5xx"] == 1


def test_a_model_that_is_not_there_is_503(proxy):
    """A Pod that starts or ends says so."""
    proxy.model.shutdown()
    proxy.model.server_close()
    answer = proxy.ask("/", "POST", b"x")
    assert answer.status == 503
    assert error(answer) == "the model does not answer: it has not started yet, or has just ended"


def test_a_models_own_errors_pass_as_they_are(limited):
    """The proxy explains only what it decided itself."""
    for status in (413, 429, 500, 503, 504):
        answer = limited.ask(f"/status/{status}", "POST", b"mine")
        assert (answer.status, answer.body) == (status, b"mine")


def test_a_streamed_answer_arrives_piece_by_piece(limited):
    """Requests may be held where their size is limited; answers never are."""
    connection = http.client.HTTPConnection("127.0.0.1", limited.http, timeout=10)
    connection.request("POST", "/stream", b"{}")
    answer = connection.getresponse()
    assert answer.read1() == b"data: 1\n\n"
    assert not limited.model.go.is_set()
    limited.model.go.set()
    assert answer.read() == b"data: 2\n\n"
    connection.close()


def test_a_streamed_request_reaches_grpc_message_by_message(limited):
    """GRPC is exempt from the limit of bodies: its streams are not held, and its servers limit messages themselves."""
    with echo_server(limited.grpc), grpc.insecure_channel(f"127.0.0.1:{limited.http}") as channel:
        last = threading.Event()

        def messages() -> Iterator[bytes]:
            yield b"first"
            last.wait(10)
            yield bytes(2 * MOST_BYTES)

        answers = channel.stream_stream("/echo/Stream")(messages(), timeout=10)
        assert next(answers) == b"first"
        last.set()
        assert len(next(answers)) == 2 * MOST_BYTES


def test_a_grpc_call_that_is_late_has_exceeded_its_deadline(proxy):
    """Not UNAVAILABLE, which clients take for a reason to try again."""
    proxy.route(timeout=timedelta(milliseconds=200))
    with echo_server(proxy.grpc, hold=2), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(b"hello", timeout=10)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
