"""Requests that a Pod rejects: each gets a status and a JSON body with the reason, whatever the model does."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import Cluster, counters, parse_json
from support.ports import free_port
from support.proxy.echo import echo_server
from support.proxy.proxies import Answer, Model, Proxy, running_model, running_proxy

MAX_BYTES = 100_000


@pytest.fixture
def limited(model: Model, tmp_path: Path) -> Iterator[Proxy]:
    """Run a proxy with all limits but the timeout, which routes set."""
    with running_proxy(model, tmp_path, MAX_BODY_BYTES=MAX_BYTES, MAX_CONCURRENCY=1) as proxy:
        yield proxy


def error(response: Answer) -> str:
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-modelops-model-version"] == "approval-1%"
    body = json.loads(response.body)
    assert list(body) == ["error"]
    message: str = body["error"]
    return message


def test_a_body_larger_than_the_limit_gives_413(limited: Proxy) -> None:
    """The limit is exact, and the model never receives the request."""
    assert limited.request("/", "POST", bytes(MAX_BYTES)).status == 200
    response = limited.request("/large", "POST", bytes(MAX_BYTES + 1))
    assert response.status == 413
    assert error(response) == (
        "request rejected: the body is larger than 100000 bytes; see limits.maxBody of the InferenceService"
    )
    assert "/large" not in [path for path, _ in limited.model.requests]


def test_a_body_that_does_not_tell_its_length_gives_411(limited: Proxy) -> None:
    """The length of a chunked body is known only at its end, and until then it would fill the proxy's memory."""
    for size in (2, 1000, MAX_BYTES + 1):
        connection = http.client.HTTPConnection("127.0.0.1", limited.http, timeout=10)
        connection.request("POST", f"/chunks-{size}", iter([bytes(size)]), encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 411
        assert json.loads(response.read()) == {
            "error": "request rejected: the length of the body is not told; send a Content-Length header"
        }
        connection.close()
    assert not [path for path, _ in limited.model.requests if path.startswith("/chunks")]


def test_a_request_beyond_the_concurrency_limit_gives_429(limited: Proxy) -> None:
    """The response has Retry-After, probes are not rejected, and the operator can tell an overflow from an error."""
    slow = threading.Thread(target=limited.request, args=("/slow",))
    slow.start()
    assert limited.model.arrived.wait(60)
    response = limited.request("/", "POST", b"x")
    assert (response.status, response.headers["retry-after"]) == (429, "1")
    assert error(response).startswith("request rejected: this Pod already processes 1 request; ")
    assert limited.request("/ready").status == 200
    assert limited.statistics()["cluster.model.upstream_rq_active"] == 1
    assert limited.statistics()["cluster.model.upstream_rq_active_overflow"] == 1
    limited.model.proceed.set()
    slow.join()
    assert limited.request("/", "POST", b"x").status == 200


def test_rejections_for_overload_count_as_errors_of_either_version(limited: Proxy, tmp_path: Path) -> None:
    """A candidate that rejects half of its requests must not pass as better than a stable version that does."""
    directory = tmp_path / "stable"
    directory.mkdir()
    settings = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": limited.http, "MAX_CONCURRENCY": 1}
    with running_model() as model, running_proxy(model, directory, **settings) as stable:
        clusters: tuple[tuple[int, Cluster, Model], ...] = ((100, "candidate", limited.model), (0, "model", model))
        for weight, cluster, busy in clusters:
            stable.route(weight=weight)
            slow = threading.Thread(target=stable.request, args=("/slow",))
            slow.start()
            assert busy.arrived.wait(60)
            assert stable.request("/", "POST", b"x").status == 429
            busy.proceed.set()
            slow.join()
            assert stable.request("/status/429", "POST", b"x").status == 429
            seen = counters(parse_json(stable.request("/figures", port=stable.stats).body), cluster)
            assert (seen.requests, seen.errors) == (3, 2)


def test_the_concurrency_limit_holds_for_requests_of_an_unreachable_candidate(model: Model, tmp_path: Path) -> None:
    """A candidate that crashes must not overload the stable version."""
    unused_port = free_port()
    settings = {"CANDIDATE_HOST": "127.0.0.1", "CANDIDATE_PORT": unused_port, "MAX_CONCURRENCY": 1}
    with running_proxy(model, tmp_path, **settings) as stable:
        stable.route(weight=100)
        slow = threading.Thread(target=stable.request, args=("/slow",))
        slow.start()
        assert model.arrived.wait(60)
        response = stable.request("/", "POST", b"x")
        assert (response.status, response.headers["retry-after"]) == (429, "1")
        assert error(response).startswith("request rejected: this Pod already processes 1 request; ")
        model.proceed.set()
        slow.join()


def test_a_response_after_the_timeout_gives_504(proxy: Proxy) -> None:
    """The timeout counts as an error of the model."""
    proxy.route(timeout=timedelta(milliseconds=200))
    response = proxy.request("/slow")
    assert response.status == 504
    assert error(response) == (
        "request timed out: no response in time; retry, or raise limits.timeout of the InferenceService"
    )
    statistics = proxy.statistics()
    assert statistics["cluster.model.upstream_rq_timeout"] == statistics["cluster.model.upstream_rq_5xx"] == 1


def test_an_unavailable_model_gives_503(proxy: Proxy) -> None:
    """A Pod that starts or terminates says so."""
    proxy.model.shutdown()
    proxy.model.server_close()
    response = proxy.request("/", "POST", b"x")
    assert response.status == 503
    assert error(response) == "request failed: no response from the model, which is starting or has terminated"


def test_the_models_own_errors_pass_unchanged(limited: Proxy) -> None:
    """The proxy explains only its own replies."""
    for status in (413, 429, 500, 503, 504):
        response = limited.request(f"/status/{status}", "POST", b"mine")
        assert (response.status, response.body) == (status, b"mine")


def test_a_streamed_response_is_not_buffered_by_limits(limited: Proxy) -> None:
    """Requests may be buffered to limit their size, responses never are."""
    connection = http.client.HTTPConnection("127.0.0.1", limited.http, timeout=10)
    connection.request("POST", "/stream", b"{}")
    response = connection.getresponse()
    assert response.read1() == b"data: 1\n\n"
    assert not limited.model.proceed.is_set()
    limited.model.proceed.set()
    assert response.read() == b"data: 2\n\n"
    connection.close()


def test_a_grpc_stream_is_exempt_from_the_body_limit(limited: Proxy) -> None:
    """Streams are not buffered: gRPC servers limit messages themselves."""
    with echo_server(limited.grpc), grpc.insecure_channel(f"127.0.0.1:{limited.http}") as channel:
        last = threading.Event()

        def messages() -> Iterator[bytes]:
            yield b"first"
            last.wait(10)
            yield bytes(2 * MAX_BYTES)

        echoes = channel.stream_stream("/echo/Stream")(messages(), timeout=10)
        assert next(echoes) == b"first"
        last.set()
        assert len(next(echoes)) == 2 * MAX_BYTES


def test_a_grpc_call_after_the_timeout_gives_deadline_exceeded(proxy: Proxy) -> None:
    """Clients take UNAVAILABLE for a reason to retry."""
    proxy.route(timeout=timedelta(milliseconds=200))
    with echo_server(proxy.grpc, delay=2), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(b"hello", timeout=10)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_slow_clients_take_no_model_out(model: Model, tmp_path: Path) -> None:
    """One client can hold many connections: others are answered, and the kubelet's probe passes.

    All but a few connections are idle, and sixteen clients send bodies that never end. Then all connections are taken.
    """
    with (
        running_proxy(model, tmp_path, MAX_CONNECTIONS=120, MAX_BODY_BYTES=MAX_BYTES) as proxy,
        contextlib.ExitStack() as open_,
    ):

        def connect() -> socket.socket:
            return open_.enter_context(socket.create_connection((proxy.address, proxy.http), 10))

        for _ in range(90):
            connect()
        for _ in range(16):
            connect().sendall(b"POST /slow HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        assert proxy.request("/", "POST", b"x").status == 200
        assert proxy.request("/ready", port=proxy.probe).status == 200
        for _ in range(40):
            connect()
        with pytest.raises((OSError, http.client.HTTPException)):
            proxy.request("/", "POST", b"x")
        assert proxy.request("/ready", port=proxy.probe).status == 200
        assert proxy.request("/ready", port=proxy.stats).status == 200


def test_idle_connections_are_closed(model: Model, tmp_path: Path) -> None:
    """Otherwise a client that forgets its connections takes those of others."""
    with (
        running_proxy(model, tmp_path, CONNECTION_IDLE_SECONDS=1) as proxy,
        socket.create_connection((proxy.address, proxy.http), 30) as idle,
    ):
        assert idle.recv(1) == b""


def test_the_probes_port_answers_the_readiness_path_alone(proxy: Proxy) -> None:
    """It is not limited, so that nothing else may be asked there."""
    assert proxy.request("/ready", port=proxy.probe).status == 200
    for method, path in (("POST", "/ready"), ("GET", "/v2/models"), ("POST", "/invocations"), ("GET", "/ready/../x")):
        assert proxy.request(path, method, port=proxy.probe).status == 404
