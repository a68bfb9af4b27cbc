"""The proxy as clients and Prometheus see it."""

import contextlib
import socket
import threading
import uuid
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from support.proxy.echo import echo_server
from support.proxy.proxies import Proxy


def test_responses_name_the_version_and_the_request(proxy: Proxy) -> None:
    """Every response names the version that gave it, whatever the model claims, and has an id to join labels by."""
    response = proxy.request("/v2/models/approval/infer?x=1", "POST", b"hello")
    assert (response.status, response.body) == (200, b"hello")
    assert response.headers["x-modelops-model-version"] == "approval-1%"
    assert response.headers["x-modelops-revision"] == "abc"
    path, headers = proxy.model.requests[-1]
    assert path == "/v2/models/approval/infer?x=1"
    assert uuid.UUID(response.headers["x-request-id"])
    assert headers["x-request-id"] == response.headers["x-request-id"]


def test_a_clients_own_request_id_is_kept(proxy: Proxy) -> None:
    assert proxy.request("/", x_request_id="mine").headers["x-request-id"] == "mine"


def test_a_client_cannot_steer_the_proxy_by_envoys_headers(proxy: Proxy) -> None:
    """Such a header must not make the proxy repeat a request or change its timeout."""
    assert proxy.request("/status/503", "POST", b"x", x_envoy_retry_on="5xx", x_envoy_max_retries="5").status == 503
    assert [path for path, _ in proxy.model.requests].count("/status/503") == 1


def test_readiness_of_an_unavailable_model_is_503(proxy: Proxy) -> None:
    """A Pod whose model has not started yet is not ready, and its response names the version."""
    proxy.model.shutdown()
    proxy.model.server_close()
    response = proxy.request("/ready")
    assert response.status == 503
    assert response.headers["x-modelops-model-version"] == "approval-1%"


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/v2/models/approval/infer", "application/json"),
        ("POST", "/v2/models/approval/versions/1/infer?x=1&y=%2F", "application/octet-stream"),
        ("POST", "/v1/models/approval:predict", "application/json"),
        ("POST", "/invocations", "text/csv"),
        ("GET", "/ping", "text/plain"),
    ],
)
def test_requests_of_every_protocol_pass_unchanged(proxy: Proxy, method: str, path: str, content_type: str) -> None:
    """The proxy passes path, query, content type and bytes, and interprets none of them."""
    body = bytes(range(256)) if method == "POST" else None
    response = proxy.request(path, method, body, content_type=content_type)
    assert (response.status, response.body) == (200, body or f"GET {path}".encode())
    assert response.headers["content-type"] == content_type
    assert proxy.model.requests[-1][0] == path


def test_bodies_larger_than_any_buffer_pass(proxy: Proxy) -> None:
    """Images and tables can be large."""
    body = bytes(24 * 2**20)
    assert proxy.request("/", "POST", body).body == body


def test_http2_without_tls_is_answered(proxy: Proxy) -> None:
    """Clients and gateways may use HTTP/2 by prior knowledge."""
    with socket.create_connection(("127.0.0.1", proxy.http), 10) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        header = client.recv(9)
    assert header[3] == 4, "the first frame of a server is SETTINGS"


def test_grpc_is_routed_to_the_models_grpc_port(proxy: Proxy) -> None:
    """One port serves both protocols: gRPC is recognized by its content type."""
    with echo_server(proxy.grpc), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        response, call = infer.with_call(b"hello", timeout=10)
    assert response == b"hello"
    assert dict(call.initial_metadata())["x-modelops-model-version"] == "approval-1%"
    assert proxy.model.requests == [] or all(
        path != "/inference.GRPCInferenceService/ModelInfer" for path, _ in proxy.model.requests
    )


def test_envoy_reports_rate_errors_and_latency(proxy: Proxy) -> None:
    """They do not depend on the monitor."""
    proxy.request("/status/500")
    text = proxy.request("/metrics", port=proxy.stats).body.decode()
    assert (
        'envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress"} 1' in text
    )
    assert 'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="model",le="1000"}' in text


def test_requests_in_flight_are_reported(proxy: Proxy) -> None:
    """Autoscaling uses this metric, for HTTP and gRPC. Without requests it must be 0, or Pods are never removed."""

    def active(cluster: str) -> str:
        lines = proxy.request("/metrics", port=proxy.stats).body.decode().splitlines()
        series = f'envoy_cluster_upstream_rq_active{{envoy_cluster_name="{cluster}"}} '
        values: list[str] = [line.removeprefix(series) for line in lines if line.startswith(series)]
        (value,) = values
        return value

    assert (active("model"), active("model_grpc")) == ("0", "0")
    slow = threading.Thread(target=proxy.request, args=("/slow",))
    slow.start()
    assert proxy.model.arrived.wait(60)
    assert (active("model"), active("model_grpc")) == ("1", "0")
    with echo_server(proxy.grpc, delay=1), grpc.insecure_channel(f"127.0.0.1:{proxy.http}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer").future(b"hello", timeout=10)
        proxy.wait_until(lambda: active("model_grpc") == "1")
        assert call.result() == b"hello"
    proxy.model.proceed.set()
    slow.join()
    proxy.wait_until(lambda: (active("model"), active("model_grpc")) == ("0", "0"))


def test_the_monitor_reports_the_model_and_its_restarts(proxy: Proxy) -> None:
    proxy.wait_until(lambda: b'modelversion="approval-1%"' in proxy.request("/monitor/metrics", port=proxy.stats).body)
    proxy.wait_until(lambda: b"modelops_model_up 1.0" in proxy.request("/monitor/metrics", port=proxy.stats).body)
    assert b"modelops_monitor_restarts_total 0.0" in proxy.request("/monitor/metrics", port=proxy.stats).body


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
        ("POST", "/drain"),
        ("GET", "/active"),
    ],
)
def test_the_admin_interface_cannot_be_reached_through_the_stats_port(proxy: Proxy, method: str, path: str) -> None:
    """It could terminate the process or reveal its configuration."""
    assert proxy.request(path, method, port=proxy.stats).status == 404
    assert proxy.request("/ready", port=proxy.stats).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/quitquitquit"),
        ("POST", "/reset_counters"),
        ("POST", "/drain_listeners?graceful&skip_exit"),
        ("POST", "/drain?inboundonly"),
        ("POST", "/drain/../quitquitquit"),
        ("GET", "/drain"),
        ("POST", "/active"),
        ("GET", "/active?filter=server"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("GET", "/"),
    ],
)
def test_the_model_can_only_drain_the_proxy(proxy: Proxy, method: str, path: str) -> None:
    """The model's container has a listener for its preStop hook, and no other way to the admin interface."""
    assert proxy.request(path, method, port=proxy.loopback).status == 404
    assert proxy.request("/active", port=proxy.loopback).body == b"http.ingress.downstream_rq_active: 0\n"


def test_no_port_of_the_pod_leads_to_the_admin_interface(proxy: Proxy) -> None:
    """A model could reset the figures by which it is judged, or end the proxy."""
    proxy.wait_until(proxy.report)
    listening = ports_of(proxy)
    assert listening == {proxy.http, proxy.stats, proxy.probe, proxy.loopback}
    for port in listening:
        assert proxy.request("/server_info", port=port).body != proxy.request("/server_info", port=proxy.admin).body
    assert proxy.admin.stat().st_mode & 0o777 == 0o600


def test_another_process_cannot_listen_at_the_proxys_ports(proxy: Proxy) -> None:
    """Even a process of the same user would get no connection that is meant for the proxy."""
    for port in (proxy.http, proxy.stats, proxy.probe, proxy.loopback):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="Address already in use"):
                other.bind((proxy.address, port))


def ports_of(proxy: Proxy) -> set[int]:
    """Return the TCP ports at which the container's processes listen."""
    sockets = set()
    for pid in proxy.children().values():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(descriptor.readlink().name)
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}
