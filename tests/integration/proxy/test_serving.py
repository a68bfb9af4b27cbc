"""What a client and Prometheus see of the proxy."""

import socket
import threading
import uuid

import grpc
import pytest

from support.echo import echo_server


def test_requests_reach_the_model_and_answers_are_marked(proxy):
    """Every answer says which version gave it, whatever the model claims, and has an id to join labels by."""
    answer = proxy.ask("/v2/models/approval/infer?x=1", "POST", b"hello")
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["x-modelops-model-version"] == "approval-1%"
    assert answer.headers["x-modelops-revision"] == "abc"
    path, seen = proxy.model.asked[-1]
    assert path == "/v2/models/approval/infer?x=1"
    assert uuid.UUID(answer.headers["x-request-id"])
    assert seen["x-request-id"] == answer.headers["x-request-id"]


def test_a_clients_own_request_id_is_kept(proxy):
    assert proxy.ask("/", x_request_id="mine").headers["x-request-id"] == "mine"


def test_a_client_cannot_steer_the_proxy(proxy):
    """A header of Envoy's own must not make it repeat a request or change its timeout."""
    assert proxy.ask("/status/503", "POST", b"x", x_envoy_retry_on="5xx", x_envoy_max_retries="5").status == 503
    assert [path for path, _ in proxy.model.asked].count("/status/503") == 1


def test_a_model_that_is_not_there_is_503_and_marked(proxy):
    """A Pod whose model has not started yet is not ready, and says who it is."""
    proxy.model.shutdown()
    proxy.model.server_close()
    answer = proxy.ask("/ready")
    assert answer.status == 503
    assert answer.headers["x-modelops-model-version"] == "approval-1%"


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v2/models/approval/infer", "application/json"),
        ("POST", "/v2/models/approval/versions/1/infer?x=1&y=%2F", "application/octet-stream"),
        ("POST", "/v1/models/approval:predict", "application/json"),
        ("POST", "/invocations", "text/csv"),
        ("GET", "/ping", "text/plain"),
    ],
)
def test_every_protocol_of_model_servers_passes_as_it_is(proxy, method, path, kind):
    """Path, query, type and bytes: the proxy speaks HTTP and nothing of what is in it."""
    body = bytes(range(256)) if method == "POST" else None
    answer = proxy.ask(path, method, body, content_type=kind)
    assert (answer.status, answer.body) == (200, body or f"GET {path}".encode())
    assert answer.headers["content-type"] == kind
    assert proxy.model.asked[-1][0] == path


def test_big_bodies_pass(proxy):
    """Images and tables are larger than any buffer of the proxy."""
    body = bytes(24 * 2**20)
    assert proxy.ask("/", "POST", body).body == body


def test_http_2_by_prior_knowledge_is_spoken(proxy):
    """Clients and gateways that speak h2c are answered in it."""
    with socket.create_connection(("127.0.0.1", proxy.http), 10) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        header = client.recv(9)
    assert header[3] == 4, "the first frame of a server is SETTINGS"


def test_grpc_goes_to_the_models_grpc_port(proxy):
    """One port serves both protocols: gRPC is told by its content type."""
    with echo_server(proxy.grpc), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answer, call = infer.with_call(b"hello", timeout=10)
    assert answer == b"hello"
    assert dict(call.initial_metadata())["x-modelops-model-version"] == "approval-1%"
    assert proxy.model.asked == [] or all(
        path != "/inference.GRPCInferenceService/ModelInfer" for path, _ in proxy.model.asked
    )


def test_figures_of_requests_are_envoys(proxy):
    """Rate, errors and latency by code, without Python in the way."""
    proxy.ask("/status/500")
    text = proxy.ask("/metrics", port=proxy.stats).body.decode()
    assert (
        'envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress"} 1' in text
    )
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="model",le="1000"}' in text


def test_requests_in_flight_are_told_as_they_are(proxy):
    """An autoscaler goes by this figure, of HTTP and of gRPC; without requests it is 0, or Pods would never go."""

    def told(cluster: str) -> str:
        lines = proxy.ask("/metrics", port=proxy.stats).body.decode().splitlines()
        series = f'envoy_cluster_upstream_rq_active{{envoy_cluster_name="{cluster}"}} '
        (value,) = (line.removeprefix(series) for line in lines if line.startswith(series))
        return value

    assert (told("model"), told("model_grpc")) == ("0", "0")
    slow = threading.Thread(target=proxy.ask, args=("/slow",))
    slow.start()
    assert proxy.model.arrived.wait(10)
    assert (told("model"), told("model_grpc")) == ("1", "0")
    with echo_server(proxy.grpc, hold=1), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer").future(b"hello", timeout=10)
        proxy.wait_until(lambda: told("model_grpc") == "1")
        assert call.result() == b"hello"
    proxy.model.go.set()
    slow.join()
    proxy.wait_until(lambda: (told("model"), told("model_grpc")) == ("0", "0"))


def test_figures_of_the_monitor(proxy):
    proxy.wait_until(lambda: b'modelversion="approval-1%"' in proxy.ask("/monitor/metrics", port=proxy.stats).body)
    proxy.wait_until(lambda: b"modelops_model_up 1.0" in proxy.ask("/monitor/metrics", port=proxy.stats).body)
    assert b"modelops_monitor_restarts_total 0.0" in proxy.ask("/monitor/metrics", port=proxy.stats).body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/quitquitquit"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("GET", "/metrics/../quitquitquit"),
        ("GET", "/metrics/%2e%2e/config_dump"),
        ("POST", "/metrics"),
        ("POST", "/ready"),
        ("POST", "/figures"),
        ("GET", "/figures?filter=server"),
        ("GET", "/routes?resource=dynamic_listeners"),
        ("GET", "/monitor/metrics/x"),
        ("POST", "/drain_listeners"),
    ],
)
def test_the_admin_interface_cannot_be_reached_through_the_stats_port(proxy, method, path):
    """It could end the process or show its configuration."""
    assert proxy.ask(path, method, port=proxy.stats).status == 404
    assert proxy.ask("/ready", port=proxy.stats).status == 200
