"""Envoy's bootstrap: what can be reached, what is rejected and with which message, and that text stays text."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from modelops.monitor.envoy.bootstrap import bootstrap
from modelops.monitor.envoy.stats import ANALYSIS_STATS_PATH
from modelops.monitor.settings import Settings


def document(**environment: str) -> dict[str, Any]:
    return bootstrap(
        Settings.from_environment({f"MODELOPS_{name.upper()}": value for name, value in environment.items()})
    )


def manager(config: dict[str, Any], name: str) -> dict[str, Any]:
    listeners = {listener["name"]: listener for listener in config["static_resources"]["listeners"]}
    typed_config: dict[str, Any] = listeners[name]["filter_chains"][0]["filters"][0]["typed_config"]
    return typed_config


def routes(config: dict[str, Any], name: str) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = manager(config, name)["route_config"]["virtual_hosts"]
    return [route for host in hosts for route in host["routes"]]


def ports(config: dict[str, Any]) -> dict[str, tuple[str, int]]:
    addresses = {}
    for cluster in config["static_resources"]["clusters"]:
        address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        if "socket_address" in address:
            socket = address["socket_address"]
            addresses[cluster["name"]] = (socket["address"], socket["port_value"])
    return addresses


def pipes(config: dict[str, Any]) -> dict[str, str]:
    addresses = {}
    for cluster in config["static_resources"]["clusters"]:
        address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        if "pipe" in address:
            addresses[cluster["name"]] = address["pipe"]["path"]
    return addresses


def clusters(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}


def max_requests(config: dict[str, Any]) -> dict[str, int]:
    return {
        name: cluster["circuit_breakers"]["thresholds"][0]["max_requests"]
        for name, cluster in clusters(config).items()
        if name != "capture"
    }


def filters(config: dict[str, Any]) -> list[str]:
    return [filter_["name"].rpartition(".")[2] for filter_ in manager(config, "ingress")["http_filters"]]


def test_equal_settings_give_an_equal_document() -> None:
    """A Pod's configuration can be compared by its bytes."""
    assert json.dumps(document(model_version="v")) == json.dumps(document(model_version="v"))


def test_without_a_candidate_all_clusters_are_in_the_pod() -> None:
    """The proxy passes requests to its own Pod and nowhere else."""
    config = document(model_port="7001", model_grpc_port="7002")
    assert ports(config) == {
        "model": ("127.0.0.1", 7001),
        "model_probe": ("127.0.0.1", 7001),
        "model_grpc": ("127.0.0.1", 7002),
    }
    assert pipes(config) == {
        "admin": "/tmp/admin.sock",
        "monitor": "/tmp/monitor.sock",
        "capture": "/tmp/capture.sock",
    }


def test_the_candidate_is_resolved_by_its_fully_qualified_name() -> None:
    """The name is looked up once, not in each search domain of the Pod. Envoy starts even if it does not resolve."""
    config = document(candidate_host="credit-candidate.bank.svc.cluster.local", model_grpc_port="8082")
    assert ports(config)["candidate"] == ("credit-candidate.bank.svc.cluster.local.", 80)
    assert ports(config)["candidate_grpc"] == ("credit-candidate.bank.svc.cluster.local.", 80)
    assert clusters(config)["candidate"]["wait_for_warm_on_init"] is False
    assert clusters(config)["candidate"]["dns_lookup_family"] == "V4_PREFERRED"


@pytest.mark.parametrize("address", ["127.0.0.1", "fd00::1", "credit.bank.svc."])
def test_an_address_of_the_candidate_is_used_unchanged(address: str) -> None:
    assert ports(document(candidate_host=address, candidate_port="8080"))["candidate"] == (address, 8080)


def test_grpc_has_clusters_only_if_the_model_has_a_grpc_port() -> None:
    assert {"model_grpc", "candidate_grpc"}.isdisjoint(clusters(document(candidate_host="credit.bank.svc")))


def test_connections_to_the_candidate_end_after_100_requests() -> None:
    """Each connection leads to one Pod: a new Pod receives requests only by new connections."""

    def options(name: str) -> dict[str, Any]:
        protocols = clusters(document(candidate_host="credit.bank.svc"))[name]["typed_extension_protocol_options"]
        http_options: dict[str, Any] = protocols["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"][
            "common_http_protocol_options"
        ]
        return http_options

    assert options("candidate") == {"idle_timeout": "4s", "max_requests_per_connection": 100}
    assert options("model") == {"idle_timeout": "4s"}


@pytest.mark.parametrize("name", ["candidate", "candidate_grpc"])
def test_only_the_candidates_own_endpoint_is_marked_as_canary(name: str) -> None:
    """Envoy keeps separate statistics for canaries: predictions of the fallback must not count as the candidate's."""
    config = clusters(document(candidate_host="credit.bank.svc", model_grpc_port="8082", model_version="v"))
    candidate, fallback = config[name]["load_assignment"]["endpoints"]
    assert candidate["lb_endpoints"][0]["metadata"]["filter_metadata"] == {"envoy.lb": {"canary": True}}
    assert "envoy.lb" not in fallback["lb_endpoints"][0]["metadata"]["filter_metadata"]


def test_the_fallback_listener_passes_requests_to_the_models_own_cluster() -> None:
    """So the model's limit holds for them. The listener is on loopback, at a port that no model can use."""
    settings = {"candidate_host": "credit.bank.svc", "model_grpc_port": "8082", "loopback_port": "7003"}
    config = document(**settings)
    (listener,) = [item for item in config["static_resources"]["listeners"] if item["name"] == "fallback"]
    address = {"socket_address": {"address": "127.0.0.2", "port_value": 7003}}
    assert listener["address"] == address
    for name in ("candidate", "candidate_grpc"):
        _, fallback = clusters(config)[name]["load_assignment"]["endpoints"]
        assert fallback["lb_endpoints"][0]["endpoint"]["address"] == address
    assert [route["route"]["cluster"] for route in routes(config, "fallback")] == ["model_grpc", "model"]
    assert "fallback" not in [item["name"] for item in document()["static_resources"]["listeners"]]


def test_the_models_limit_does_not_apply_to_probes() -> None:
    """A Pod at its limit is still ready, and its admin interface and monitor still answer."""
    limits = max_requests(document(max_concurrency="3", model_grpc_port="8082", candidate_host="credit.bank.svc"))
    assert {name for name, limit in limits.items() if limit == 3} == {"model", "model_grpc"}
    assert {name for name, limit in limits.items() if limit == 16} == {"admin", "monitor"}
    assert set(max_requests(document()).values()) == {10_000, 16}


def test_paths_are_closed_before_anything_else_is_done() -> None:
    """A closed path costs no buffer and is never captured. The query is no part of the path."""
    config = document(paths="/v2/models/*/infer /ready", max_body_bytes="1000")
    assert filters(config) == ["paths", "rbac", "buffer", "capture", "router"]
    (permission,) = manager(config, "ingress")["http_filters"][0]["typed_config"]["rules"]["policies"]["unknown-path"][
        "permissions"
    ]
    regex = permission["not_rule"]["url_path"]["path"]["safe_regex"]["regex"]
    assert re.fullmatch(regex, "/v2/models/a/infer")
    assert not re.fullmatch(regex, "/v2/repository/models/a/unload")


def test_bodies_are_refused_only_if_limited_and_of_unknown_length() -> None:
    """Without a limit, bodies are streamed. With a limit, those without Content-Length have no room in memory."""
    assert filters(document()) == ["capture", "router"]
    config_with_limit = document(max_body_bytes="1048576")
    assert filters(config_with_limit) == ["rbac", "buffer", "capture", "router"]
    buffer = manager(config_with_limit, "ingress")["http_filters"][1]["typed_config"]
    assert buffer["extension_config"]["typed_config"]["max_request_bytes"] == 1
    (matcher,) = buffer["xds_matcher"]["matcher_list"]["matchers"]
    assert matcher["predicate"]["single_predicate"]["input"]["typed_config"]["header_name"] == "content-length"


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_body_bytes", "0"), ("max_body_bytes", str(2**32)), ("max_concurrency", "0"), ("candidate_host", "a b")],
)
def test_an_invalid_setting_is_rejected_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        document(**{name: value})


def test_routes_are_read_from_a_file_whose_directory_is_watched() -> None:
    """Only routes that were accepted are moved there."""
    source = manager(document(accepted_routes_path="/r/routes.json"), "ingress")["rds"]["config_source"]
    assert source["path_config_source"] == {"path": "/r/routes.json", "watched_directory": {"path": "/r"}}


@pytest.mark.parametrize(
    "stat",
    [
        "cluster.model.upstream_rq_5xx",
        "cluster.candidate.canary.upstream_rq_time",
        "access_logs.grpc_access_log.logs_dropped",
    ],
)
def test_statistics_that_an_analysis_reads_are_kept(stat: str) -> None:
    """Envoy keeps only statistics that its matcher includes."""
    patterns = document()["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    assert any(stat.startswith(pattern["prefix"]) for pattern in patterns)


@pytest.mark.parametrize("cluster", ["model", "model_grpc", "candidate.canary", "candidate_grpc.canary"])
@pytest.mark.parametrize("stat", ["completed", "5xx", "429", "time"])
def test_statistics_that_an_analysis_reads_are_on_the_figures_page(cluster: str, stat: str) -> None:
    """Statistics missing there would count as zero."""
    (pattern,) = parse_qs(urlsplit(ANALYSIS_STATS_PATH).query)["filter"]
    assert re.search(pattern, f"cluster.{cluster}.upstream_rq_{stat}")
    assert not re.search(pattern, f"cluster.model_probe.upstream_rq_{stat}")


def test_capture_is_disabled_unless_a_route_enables_it() -> None:
    """A disabled filter costs a request nothing, and the log sends only requests that the filter has captured."""
    config = manager(document(), "ingress")
    (capture,) = [filter_ for filter_ in config["http_filters"] if filter_["name"] == "modelops.capture"]
    assert capture["disabled"] is True
    (log,) = config["access_log"]
    assert log["filter"]["metadata_filter"]["match_if_key_not_found"] is False
    assert log["filter"]["metadata_filter"]["matcher"]["filter"] == "modelops.capture"


def test_captured_requests_are_sent_to_a_socket_in_the_container() -> None:
    """Bodies never leave the container."""
    assert pipes(document(capture_socket="/run/c.sock"))["capture"] == "/run/c.sock"


@pytest.mark.parametrize("name", ["admin_socket", "monitor_socket", "capture_socket"])
def test_a_socket_path_longer_than_linux_allows_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        document(**{name: "/" + 107 * "x"})


def test_the_stats_listener_exposes_exact_paths_for_get_only() -> None:
    """Envoy's admin interface can terminate the process: no other path of it may be reachable from the network."""
    *pages, rest = routes(document(), "stats")
    exact = [page for page in pages if "path" in page["match"]]
    rewritten = {page["match"]["path"]: (page["route"]["cluster"], page["route"]["prefix_rewrite"]) for page in exact}
    assert rewritten == {
        "/metrics": ("admin", "/stats/prometheus"),
        "/monitor/metrics": ("monitor", "/metrics"),
        "/monitor/report": ("monitor", "/report"),
        "/ready": ("admin", "/ready"),
        "/figures": ("admin", ANALYSIS_STATS_PATH),
        "/routes": ("admin", "/config_dump?resource=dynamic_route_configs&mask=version_info"),
    }
    (predictions,) = [page["match"] for page in pages if "path" not in page["match"]]
    assert predictions["safe_regex"] == {"regex": "/monitor/answers/[0-9a-f,]+"}
    for page in pages:
        assert {"name": ":method", "string_match": {"exact": "GET"}} in page["match"]["headers"]
    assert rest["direct_response"]["status"] == 404


def test_the_admin_interface_is_a_socket_of_its_owner() -> None:
    """The model shares the Pod's network, and may run any code."""
    assert document()["admin"]["address"] == {"pipe": {"path": "/tmp/admin.sock", "mode": 0o600}}


def test_the_drain_listener_has_the_hooks_two_paths() -> None:
    """The model's container can ask the proxy for nothing else."""
    *pages, rest = routes(document(), "drain")
    (listener,) = [item for item in document()["static_resources"]["listeners"] if item["name"] == "drain"]
    assert listener["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}
    reached = {
        (page["match"]["headers"][0]["string_match"]["exact"], page["match"]["path"]): page["route"]["prefix_rewrite"]
        for page in pages
    }
    assert reached == {
        ("POST", "/drain"): "/drain_listeners?graceful&skip_exit",
        ("GET", "/active"): "/stats?filter=http.ingress.downstream_rq_active&format=text",
    }
    assert all(page["match"]["headers"][1]["name"] == ":path" for page in pages)
    assert rest["direct_response"]["status"] == 404


def test_probes_and_pages_do_not_depend_on_clients_connections() -> None:
    """Idle clients must not take a ready model out of service, nor hide its figures."""
    config = document(readiness_path="/is%20ready?full=1")
    listeners = {listener["name"]: listener for listener in config["static_resources"]["listeners"]}
    for name in ("stats", "probe", "drain"):
        assert listeners[name]["ignore_global_conn_limit"] is True
        assert listeners[name]["bypass_overload_manager"] is True
        assert manager(config, name)["common_http_protocol_options"] == {"idle_timeout": "15s"}
    assert "ignore_global_conn_limit" not in listeners["ingress"]
    probe, rest = routes(config, "probe")
    assert (probe["match"]["path"], probe["route"]["cluster"]) == ("/is%20ready", "model_probe")
    assert rest["direct_response"]["status"] == 404


def test_clients_connections_are_limited_in_number_and_time() -> None:
    """No client may hold what all need."""
    config = document(max_connections="7", connection_idle_seconds="60", stream_idle_seconds="120")
    ingress = manager(config, "ingress")
    assert ingress["common_http_protocol_options"] == {"idle_timeout": "60.0s"}
    assert ingress["stream_idle_timeout"] == "120.0s"
    assert manager(document(), "ingress")["common_http_protocol_options"] == {"idle_timeout": "300s"}
    _, connections = config["overload_manager"]["resource_monitors"]
    assert connections["typed_config"]["max_active_downstream_connections"] == 7
    windows = ingress["http2_protocol_options"]
    assert windows["initial_connection_window_size"] < windows["max_concurrent_streams"] * 2**20


def test_no_other_process_can_share_a_port_of_the_proxy() -> None:
    """With SO_REUSEPORT the model could take a part of the proxy's connections."""
    listeners = document(candidate_host="credit.bank.svc")["static_resources"]["listeners"]
    assert [listener["name"] for listener in listeners if listener["enable_reuse_port"] is not False] == []


@pytest.mark.parametrize(
    "text",
    ['v"}],"x":[{"', "%DOWNSTREAM_REMOTE_ADDRESS%", "{{ 1 }}", "a: b", "$(id)", "'; --"],
)
def test_names_cannot_become_configuration(text: str) -> None:
    """Names are the user's text, and appear only as strings."""
    config = json.loads(json.dumps(document(revision=text, inference_service=text)))
    assert config["node"] == {"id": text, "cluster": text}
    assert len(config["static_resources"]["listeners"]) == 4


@pytest.mark.parametrize("port", ["0", "65536", "eighty"])
def test_an_invalid_port_is_rejected(port: str) -> None:
    with pytest.raises(ValidationError, match="model_port"):
        document(model_port=port)


def test_an_empty_variable_means_the_default() -> None:
    """The API server drops empty values, a shell does not."""
    assert ports(document(model_port="", model_grpc_port="")) == ports(document())
