"""Envoy's bootstrap as data: what reaches the model, what is told to clients, and that text stays text."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from modelops.monitor.bootstrap import bootstrap
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
        address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        told[cluster["name"]] = (address["address"], address["port_value"])
    return told


def marks(found: dict[str, Any]) -> dict[str, str]:
    added = manager(found, "ingress")["route_config"]["response_headers_to_add"]
    return {one["header"]["key"]: one["header"]["value"] for one in added}


def test_the_same_settings_give_the_same_document():
    """A Pod's configuration can be compared by its bytes."""
    assert json.dumps(document(model_version="v")) == json.dumps(document(model_version="v"))


def test_upstreams_are_on_loopback_only():
    """The proxy passes requests to its own Pod and nowhere else."""
    found = ports(document(model_port="7001", model_grpc_port="7002", admin_port="7003"))
    assert found == {
        "model": ("127.0.0.1", 7001),
        "model_grpc": ("127.0.0.1", 7002),
        "admin": ("127.0.0.1", 7003),
        "monitor": ("127.0.0.1", 9091),
    }


def test_grpc_goes_to_its_own_port_only_where_there_is_one():
    """A model without gRPC gets everything on its one port."""
    with_grpc = routes(document(model_grpc_port="8082"), "ingress")
    assert [route["route"]["cluster"] for route in with_grpc] == ["model_grpc", "model"]
    assert with_grpc[0]["match"]["grpc"] == {}
    assert [route["route"]["cluster"] for route in routes(document(), "ingress")] == ["model"]


def test_a_request_that_may_have_reached_the_model_is_not_repeated():
    """A POST is never carried out twice."""
    for route in routes(document(model_grpc_port="8082"), "ingress"):
        tried = route["route"]["retry_policy"]["retry_on"].split(",")
        assert set(tried) == {"connect-failure", "refused-stream", "reset-before-request"}


def test_the_stats_listener_opens_three_exact_paths_for_reading():
    """Envoy's admin interface can end the process: no other path of it may be reachable from the network."""
    *pages, rest = routes(document(), "stats")
    rewritten = {page["match"]["path"]: (page["route"]["cluster"], page["route"]["prefix_rewrite"]) for page in pages}
    assert rewritten == {
        "/metrics": ("admin", "/stats/prometheus"),
        "/monitor/metrics": ("monitor", "/metrics"),
        "/ready": ("admin", "/ready"),
    }
    for page in pages:
        assert page["match"]["headers"] == [{"name": ":method", "string_match": {"exact": "GET"}}]
    assert rest["direct_response"]["status"] == 404


def test_the_admin_interface_listens_on_loopback():
    assert document()["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "text",
    ['v"}],"x":[{"', "%DOWNSTREAM_REMOTE_ADDRESS%", "{{ 1 }}", "a: b", "$(id)", "'; --"],
)
def test_user_text_stays_text(text):
    """A version's or service's name cannot become configuration: JSON escapes it, and % is no command of Envoy's."""
    found = json.loads(json.dumps(document(model_version=text, revision=text, inference_service=text)))
    assert marks(found)["x-modelops-model-version"] == text.replace("%", "%%")
    assert marks(found)["x-modelops-revision"] == text.replace("%", "%%")
    assert found["node"]["cluster"] == text
    assert len(found["static_resources"]["listeners"]) == 2


@pytest.mark.parametrize("text", ["a\r\nset-cookie: b", "a\nb", "ü", "x" * 1025])
def test_text_that_is_no_header_is_refused(text):
    with pytest.raises(ValidationError, match="model_version"):
        document(model_version=text)


def test_marks_that_are_not_known_are_not_sent():
    assert marks(document(model_version="v")) == {"x-modelops-model-version": "v"}


@pytest.mark.parametrize("port", ["0", "65536", "eighty"])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ValidationError, match="model_port"):
        document(model_port=port)


def test_an_empty_variable_is_an_absent_one():
    """The API server drops empty values, a shell does not: both mean the default."""
    assert ports(document(model_port="", model_grpc_port="")) == ports(document())
