"""Envoy's bootstrap as data: what can be reached, what is refused and how that is told, and that text stays text."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from modelops.monitor.envoy.bootstrap import bootstrap
from modelops.monitor.envoy.stats import FIGURES
from modelops.monitor.settings import Settings


def document(**environment: str) -> dict[str, Any]:
    return bootstrap(
        Settings.from_environment({f"MODELOPS_{name.upper()}": value for name, value in environment.items()})
    )


def manager(found: dict[str, Any], name: str) -> dict[str, Any]:
    listeners = {one["name"]: one for one in found["static_resources"]["listeners"]}
    config: dict[str, Any] = listeners[name]["filter_chains"][0]["filters"][0]["typed_config"]
    return config


def routes(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    hosts: list[dict[str, Any]] = manager(found, name)["route_config"]["virtual_hosts"]
    return [route for host in hosts for route in host["routes"]]


def ports(found: dict[str, Any]) -> dict[str, tuple[str, int]]:
    told = {}
    for cluster in found["static_resources"]["clusters"]:
        address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        if "socket_address" in address:
            told[cluster["name"]] = tuple(address["socket_address"][key] for key in ("address", "port_value"))
    return told


def clusters(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in found["static_resources"]["clusters"]}


def at_once(found: dict[str, Any]) -> dict[str, int]:
    return {
        name: one["circuit_breakers"]["thresholds"][0]["max_requests"]
        for name, one in clusters(found).items()
        if name != "capture"
    }


def filters(found: dict[str, Any]) -> list[str]:
    return [one["name"].rpartition(".")[2] for one in manager(found, "ingress")["http_filters"]]


def test_the_same_settings_give_the_same_document():
    """A Pod's configuration can be compared by its bytes."""
    assert json.dumps(document(model_version="v")) == json.dumps(document(model_version="v"))


def test_upstreams_are_on_loopback_only():
    """Where no candidate is known, the proxy passes requests to its own Pod and nowhere else."""
    found = ports(document(model_port="7001", model_grpc_port="7002", admin_port="7003"))
    assert found == {
        "model": ("127.0.0.1", 7001),
        "model_probe": ("127.0.0.1", 7001),
        "model_grpc": ("127.0.0.1", 7002),
        "admin": ("127.0.0.1", 7003),
        "monitor": ("127.0.0.1", 9091),
    }


def test_the_candidate_is_found_by_its_full_name():
    """It is looked up once, not in the Pod's search domains first, and nobody has to know it for Envoy to start."""
    found = document(candidate_host="credit-candidate.bank.svc.cluster.local", model_grpc_port="8082")
    assert ports(found)["candidate"] == ("credit-candidate.bank.svc.cluster.local.", 80)
    assert ports(found)["candidate_grpc"] == ("credit-candidate.bank.svc.cluster.local.", 80)
    assert clusters(found)["candidate"]["wait_for_warm_on_init"] is False
    assert clusters(found)["candidate"]["dns_lookup_family"] == "V4_PREFERRED"


@pytest.mark.parametrize("address", ["127.0.0.1", "fd00::1", "credit.bank.svc."])
def test_an_address_stays_as_it_is(address):
    assert ports(document(candidate_host=address, candidate_port="8080"))["candidate"] == (address, 8080)


def test_grpc_has_clusters_only_where_there_is_a_port_for_it():
    assert {"model_grpc", "candidate_grpc"}.isdisjoint(clusters(document(candidate_host="credit.bank.svc")))


def test_connections_to_the_candidate_are_not_kept_for_ever():
    """One leads to one Pod: a Pod that is new gets its share only by new ones."""

    def options(name):
        protocols = clusters(document(candidate_host="credit.bank.svc"))[name]["typed_extension_protocol_options"]
        return protocols["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["common_http_protocol_options"]

    assert options("candidate") == {"idle_timeout": "4s", "max_requests_per_connection": 100}
    assert options("model") == {"idle_timeout": "4s"}


@pytest.mark.parametrize("name", ["candidate", "candidate_grpc"])
def test_only_what_the_candidate_answers_is_counted_as_its_own(name):
    """Its endpoint is marked as a canary, whose figures Envoy keeps apart; the model that answers instead is not."""
    found = clusters(document(candidate_host="credit.bank.svc", model_grpc_port="8082", model_version="v"))
    theirs, own = found[name]["load_assignment"]["endpoints"]
    assert theirs["lb_endpoints"][0]["metadata"]["filter_metadata"] == {"envoy.lb": {"canary": True}}
    assert "envoy.lb" not in own["lb_endpoints"][0]["metadata"]["filter_metadata"]


def test_what_does_not_reach_a_candidate_comes_by_the_models_own_cluster():
    """So the model's limit holds for it. The place is on loopback, and no model can have taken it."""
    told = {"candidate_host": "credit.bank.svc", "model_grpc_port": "8082", "admin_port": "7003"}
    found = document(**told)
    (listener,) = [one for one in found["static_resources"]["listeners"] if one["name"] == "instead"]
    place = {"socket_address": {"address": "127.0.0.2", "port_value": 7003}}
    assert listener["address"] == place
    for name in ("candidate", "candidate_grpc"):
        _, own = clusters(found)[name]["load_assignment"]["endpoints"]
        assert own["lb_endpoints"][0]["endpoint"]["address"] == place
    assert [route["route"]["cluster"] for route in routes(found, "instead")] == ["model_grpc", "model"]
    assert "instead" not in [one["name"] for one in document()["static_resources"]["listeners"]]


def test_the_models_limit_is_not_the_probes():
    """A Pod with all its hands full is ready, and can be looked at."""
    found = at_once(document(max_concurrency="3", model_grpc_port="8082", candidate_host="credit.bank.svc"))
    assert {name for name, most in found.items() if most == 3} == {"model", "model_grpc"}
    assert set(at_once(document()).values()) == {10_000}


def test_bodies_are_held_only_where_they_are_limited():
    """What is not held passes as it comes, at any size; and of what is limited only bodies that tell no length."""
    assert filters(document()) == ["capture", "router"]
    limited = document(max_body_bytes="1048576")
    assert filters(limited) == ["rbac", "buffer", "capture", "router"]
    held = manager(limited, "ingress")["http_filters"][1]["typed_config"]
    assert held["extension_config"]["typed_config"]["max_request_bytes"] == 1048576
    (skipped,) = held["xds_matcher"]["matcher_list"]["matchers"]
    assert skipped["predicate"]["single_predicate"]["input"]["typed_config"]["header_name"] == "content-length"


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_body_bytes", "0"), ("max_body_bytes", str(2**32)), ("max_concurrency", "0"), ("candidate_host", "a b")],
)
def test_a_limit_that_cannot_be_is_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        document(**{name: value})


def test_routes_come_from_a_file_whose_directory_is_watched():
    """The kubelet replaces a link beside the file, not the file."""
    source = manager(document(routes_path="/r/routes.json"), "ingress")["rds"]["config_source"]
    assert source["path_config_source"] == {"path": "/r/routes.json", "watched_directory": {"path": "/r"}}


@pytest.mark.parametrize(
    "figure",
    [
        "cluster.model.upstream_rq_5xx",
        "cluster.candidate.canary.upstream_rq_time",
        "access_logs.grpc_access_log.logs_dropped",
    ],
)
def test_what_the_operator_judges_by_is_kept(figure):
    """Envoy shows only what its matcher includes."""
    patterns = document()["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    assert any(figure.startswith(one["prefix"]) for one in patterns)


@pytest.mark.parametrize("cluster", ["model", "model_grpc", "candidate.canary", "candidate_grpc.canary"])
@pytest.mark.parametrize("figure", ["completed", "5xx", "429", "time"])
def test_what_the_operator_judges_by_is_on_its_page(cluster, figure):
    """What is missing there would count as nothing."""
    (wanted,) = parse_qs(urlsplit(FIGURES).query)["filter"]
    assert re.search(wanted, f"cluster.{cluster}.upstream_rq_{figure}")
    assert not re.search(wanted, f"cluster.model_probe.upstream_rq_{figure}")


def test_nothing_is_captured_but_where_routes_say_so():
    """Off, the filter is not even made for a request, and the log sends only what it has kept."""
    found = manager(document(), "ingress")
    (capture,) = [one for one in found["http_filters"] if one["name"] == "modelops.capture"]
    assert capture["disabled"] is True
    (log,) = found["access_log"]
    assert log["filter"]["metadata_filter"]["match_if_key_not_found"] is False
    assert log["filter"]["metadata_filter"]["matcher"]["filter"] == "modelops.capture"


def test_what_is_captured_goes_to_a_socket_in_the_container():
    """And nowhere else: bodies never travel."""
    capture = clusters(document(capture_socket="/run/c.sock"))["capture"]
    address = capture["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address == {"pipe": {"path": "/run/c.sock"}}


def test_a_socket_whose_path_no_system_takes_is_refused():
    with pytest.raises(ValidationError, match="capture_socket"):
        document(capture_socket="/" + 107 * "x")


def test_the_stats_listener_opens_exact_paths_for_reading():
    """Envoy's admin interface can end the process: no other path of it may be reachable from the network."""
    *pages, rest = routes(document(), "stats")
    exact = [page for page in pages if "path" in page["match"]]
    rewritten = {page["match"]["path"]: (page["route"]["cluster"], page["route"]["prefix_rewrite"]) for page in exact}
    assert rewritten == {
        "/metrics": ("admin", "/stats/prometheus"),
        "/monitor/metrics": ("monitor", "/metrics"),
        "/monitor/report": ("monitor", "/report"),
        "/ready": ("admin", "/ready"),
        "/figures": ("admin", FIGURES),
        "/routes": ("admin", "/config_dump?resource=dynamic_route_configs"),
    }
    (answers,) = [page["match"] for page in pages if "path" not in page["match"]]
    assert answers["safe_regex"] == {"regex": "/monitor/answers/[0-9a-f,]+"}
    for page in pages:
        assert {"name": ":method", "string_match": {"exact": "GET"}} in page["match"]["headers"]
    assert rest["direct_response"]["status"] == 404


def test_the_admin_interface_listens_on_loopback():
    assert document()["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "text",
    ['v"}],"x":[{"', "%DOWNSTREAM_REMOTE_ADDRESS%", "{{ 1 }}", "a: b", "$(id)", "'; --"],
)
def test_user_text_stays_text(text):
    """A service's name cannot become configuration."""
    found = json.loads(json.dumps(document(revision=text, inference_service=text)))
    assert found["node"] == {"id": text, "cluster": text}
    assert len(found["static_resources"]["listeners"]) == 2


@pytest.mark.parametrize("port", ["0", "65536", "eighty"])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ValidationError, match="model_port"):
        document(model_port=port)


def test_an_empty_variable_is_an_absent_one():
    """The API server drops empty values, a shell does not: both mean the default."""
    assert ports(document(model_port="", model_grpc_port="")) == ports(document())
