"""Routes as data: who answers, who gets copies, how long a request may take, and what Envoy calls all of it."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.traffic.routes import Split, name_of, routes

PLAIN = Split(version="credit-3", revision="abc", readiness_path="/v2/health/ready")


def rendered(**told: Any) -> list[dict[str, Any]]:
    (config,) = routes(replace(PLAIN, **told))["resources"]
    (host,) = config["virtual_hosts"]
    found: list[dict[str, Any]] = host["routes"]
    return found


def targets(found: list[dict[str, Any]]) -> list[str]:
    return [one["route"]["cluster"] for one in found]


def share(route: dict[str, Any]) -> tuple[int, str]:
    value = route["match"]["runtime_fraction"]["default_value"]
    return value["numerator"], value["denominator"]


splits = st.builds(
    Split,
    version=st.text(max_size=20),
    revision=st.text(max_size=20),
    readiness_path=st.just("/ready"),
    grpc=st.booleans(),
    candidate=st.booleans(),
    weight=st.integers(0, 100),
    mirror_percent=st.integers(0, 100),
    capture_percent=st.integers(0, 100),
    tolerance=st.none() | st.floats(0, 1),
    timeout=st.none() | st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=30)),
).map(lambda one: replace(one, weight=0, mirror_percent=0) if one.candidate else one)
"""A candidate passes nothing on: it would go round in circles."""


@pytest.mark.parametrize(
    ("weight", "grpc", "expect"),
    [
        pytest.param(0, False, ["model"], id="without a candidate's share everything is answered here"),
        pytest.param(20, False, ["candidate", "model"], id="the candidate's share is drawn first, the rest stays"),
        pytest.param(100, False, ["candidate"], id="with all of it, nothing is answered here"),
        pytest.param(0, True, ["model_grpc", "model"], id="gRPC has a port of its own"),
        pytest.param(
            20, True, ["candidate_grpc", "model_grpc", "candidate", "model"], id="gRPC is split like everything else"
        ),
    ],
)
def test_who_answers(weight, grpc, expect):
    """The first route is the probe's, the others are tried in order."""
    assert targets(rendered(weight=weight, grpc=grpc)) == ["model_probe", *expect]


@given(st.integers(1, 99))
def test_a_share_is_exact_to_the_percent(weight):
    assert share(rendered(weight=weight)[1]) == (weight, "HUNDRED")


@given(splits)
def test_a_probe_is_answered_here_whatever_the_split(split):
    """A Pod must not become unready because a candidate is, and probes must not dilute its figures."""
    first = routes(split)["resources"][0]["virtual_hosts"][0]["routes"][0]
    assert first["match"] == {
        "path": "/ready",
        "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
    }
    assert first["route"]["cluster"] == "model_probe"
    assert first["route"]["timeout"] == "0s"


@pytest.mark.parametrize(("path", "expect"), [("/health?full=1", "/health"), ("/is ready", "/is%20ready")])
def test_the_readiness_path_is_matched_as_it_travels(path, expect):
    """Envoy matches paths without their query, and the kubelet sends no spaces."""
    assert rendered(readiness_path=path)[0]["match"]["path"] == expect


@given(splits)
def test_nothing_of_the_candidate_is_told_where_there_is_none(split):
    """A Pod of a service without a rollout does not know the candidate's clusters."""
    assert "candidate" not in json.dumps(routes(replace(split, weight=0, mirror_percent=0, version="", revision="")))


@given(splits)
def test_only_what_is_answered_here_is_copied_and_marked(split):
    """The candidate's proxy marks its own answers, and nobody gets a copy of what it answers itself. Only where this
    Pod's model answers instead of a candidate does the endpoint say so.
    """
    for route in routes(split)["resources"][0]["virtual_hosts"][0]["routes"]:
        candidate = route["route"]["cluster"].startswith("candidate")
        probe = route["route"]["cluster"] == "model_probe"
        mirrors = route["route"].get("request_mirror_policies", [])
        assert bool(mirrors) == (split.mirror_percent > 0 and not candidate and not probe)
        added = [one["header"] for one in route.get("response_headers_to_add", [])]
        marks = {one["key"] for one in added if "UPSTREAM_METADATA" not in one["value"]}
        assert (len(marks) < len(added)) == candidate
        told = {"x-modelops-model-version": split.version, "x-modelops-revision": split.revision}
        assert marks == (set() if candidate else {key for key, value in told.items() if value})


def test_copies_are_drawn_independently_of_the_split():
    """Envoy draws one number for each request. In hundredths again, the requests below the weight were copied, and
    those had all gone to the candidate.
    """
    (mirror,) = rendered(weight=20, mirror_percent=10)[-1]["route"]["request_mirror_policies"]
    assert mirror["cluster"] == "candidate"
    assert mirror["runtime_fraction"]["default_value"] == {"numerator": 100_000, "denominator": "MILLION"}


def filter_of(route: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = route.get("typed_per_filter_config", {}).get("modelops.capture")
    return found


@given(splits)
def test_only_what_is_answered_here_is_captured(split):
    """Neither probes nor gRPC's streams, nor what the candidate's own proxy captures; and nothing unless asked for."""
    for route in routes(split)["resources"][0]["virtual_hosts"][0]["routes"]:
        if filter_of(route) is not None:
            assert split.capture_percent > 0
            assert route["route"]["cluster"] == "model"


@pytest.mark.parametrize(
    ("told", "expect"),
    [
        pytest.param({}, [False], id="nothing, unless told to"),
        pytest.param({"capture_percent": 100}, [True], id="all of it"),
        pytest.param({"capture_percent": 7}, [True, False], id="a part, then the rest"),
        pytest.param(
            {"capture_percent": 7, "tolerance": 0.1, "mirror_percent": 5},
            [True, False],
            id="who mirrors gets no copies",
        ),
        pytest.param(
            {"capture_percent": 100, "candidate": True},
            [True, True, False],
            id="of a candidate what is passed on to it and copies, then what clients ask it themselves",
        ),
        pytest.param(
            {"capture_percent": 7, "tolerance": 0.1, "candidate": True},
            [True, True, True, False],
            id="copies that are compared come before",
        ),
    ],
)
def test_which_routes_are_captured(told, expect):
    """The rest must not cost anything."""
    assert [filter_of(route) is not None for route in rendered(**told)[1:]] == expect


def test_a_captured_part_is_drawn_independently_of_split_and_copies():
    """Of Envoy's one number, two other digits."""
    captured = rendered(weight=20, mirror_percent=10, capture_percent=7)[2]
    assert share(captured) == (700, "TEN_THOUSAND")


def test_answers_are_compared_only_where_somebody_keeps_them():
    """Both sides need the tolerance: the one that mirrors keeps its answers and says where, the other one compares."""

    def value(route):
        (policy,) = route["route"]["request_mirror_policies"]
        (mutation,) = policy["request_headers_mutations"]
        return mutation["append"]["header"]["value"]

    captured, rest = rendered(mirror_percent=10, capture_percent=7, tolerance=0.1)[1:]
    assert filter_of(captured)["filter_context"] == {"tolerance": 0.1}
    assert (value(captured), value(rest)) == ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "true")
    copies, shared, others, _ = rendered(capture_percent=7, tolerance=0.1, candidate=True)[1:]
    assert filter_of(copies)["filter_context"] == {"tolerance": 0.1}
    assert filter_of(shared)["filter_context"] == filter_of(others)["filter_context"] == {}
    plain, _ = rendered(mirror_percent=10, capture_percent=7)[1:]
    assert (value(plain), filter_of(plain)["filter_context"]) == ("true", {})


@given(splits)
def test_headers_of_ours_are_no_clients(split):
    """A client's own would have its request judged as a copy, or as a share. What is passed on says so anew, and only
    the Pods that copies are for believe that a request is one.
    """
    for route in routes(split)["resources"][0]["virtual_hosts"][0]["routes"]:
        added = [one["header"]["key"] for one in route.get("request_headers_to_add", [])]
        believed = {"x-modelops-mirrored", "x-modelops-forwarded"} - set(route["request_headers_to_remove"])
        if route["route"]["cluster"].startswith("candidate"):
            assert believed == set(added) == {"x-modelops-forwarded"}
        else:
            judges = split.weight or split.mirror_percent or split.capture_percent
            assert believed == (set() if judges and not split.candidate else {"x-modelops-mirrored"})


@pytest.mark.parametrize(
    ("timeout", "expect"),
    [
        (None, "0s"),
        (timedelta(milliseconds=1), "0.001000s"),
        (timedelta(minutes=2), "120.000000s"),
        (timedelta(days=365), "31536000.000000s"),
    ],
)
def test_the_deadline_is_the_whole_requests(timeout, expect):
    """For gRPC it is the most that a client's own deadline may be."""
    _, candidate_grpc, grpc, candidate, model = rendered(weight=20, grpc=True, timeout=timeout)
    assert {candidate["route"]["timeout"], model["route"]["timeout"]} == {expect}
    for one in (candidate_grpc, grpc):
        assert one["route"]["timeout"] == "0s"
        assert one["route"]["max_stream_duration"] == {
            "grpc_timeout_header_max": expect,
            "max_stream_duration": expect,
        }


def test_grpc_is_told_by_its_content_type_and_is_not_held():
    """A stream of messages must not be held until it ends."""
    for one in rendered(weight=20, grpc=True)[1:3]:
        assert one["match"]["grpc"] == {}
        assert one["typed_per_filter_config"]["envoy.filters.http.buffer"]["disabled"] is True


@given(splits)
def test_a_request_that_may_have_reached_the_model_is_not_repeated(split):
    """A POST is never carried out twice."""
    for route in routes(split)["resources"][0]["virtual_hosts"][0]["routes"]:
        tried = route["route"]["retry_policy"]["retry_on"].split(",")
        assert set(tried) == {"connect-failure", "refused-stream", "reset-before-request"}


@pytest.mark.parametrize("text", ['v"}],"x":[{"', "%DOWNSTREAM_REMOTE_ADDRESS%", "{{ 1 }}", "a: b", "'; --"])
def test_a_versions_name_stays_text(text):
    """It cannot become configuration: JSON escapes it, and % is no command of Envoy's."""
    found = json.loads(json.dumps(rendered(version=text)))
    assert found[-1]["response_headers_to_add"][0]["header"]["value"] == text.replace("%", "%%")


@given(splits)
def test_the_name_is_made_of_the_content(split):
    """The same routes have the same name, in every replica of the operator and after every start."""
    assert name_of(routes(split)) == name_of(json.loads(json.dumps(routes(split))))
    assert name_of(routes(split)).startswith("weights-")
    assert routes(split)["version_info"] == name_of(routes(split))


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "credit-4"},
        {"revision": "abd"},
        {"readiness_path": "/ready"},
        {"grpc": True},
        {"weight": 5},
        {"mirror_percent": 5},
        {"timeout": timedelta(seconds=5)},
        {"capture_percent": 5},
        {"capture_percent": 5, "tolerance": 0.1},
        {"capture_percent": 5, "candidate": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_change_has_another_name(changed):
    """The operator takes the name for proof that Envoy has taken the change."""
    assert name_of(routes(replace(PLAIN, **changed))) != name_of(routes(PLAIN))


def test_every_field_of_a_split_is_tried_above():
    """A new field must have an effect as well."""
    assert {one.name for one in fields(Split)} == {
        "version", "revision", "readiness_path", "grpc", "weight", "mirror_percent", "timeout",
        "capture_percent", "tolerance", "candidate",
    }  # fmt: skip
