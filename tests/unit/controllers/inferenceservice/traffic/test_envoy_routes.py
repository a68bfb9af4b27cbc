"""Routes as data: who answers, what is mirrored and captured, how long a request may take, and what Envoy reports."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.traffic.envoy_routes import RenderedRoutes, Split, name_of, rendered, routes

PLAIN = Split(version="credit-3", revision="abc", readiness_path="/v2/health/ready")
TOKEN = "0123456789abcdef" * 2
Json = dict[str, Any]


def routes_of(split: Split) -> list[Json]:
    """Return the routes of a split, in order."""
    (config,) = routes(split)["resources"]
    (host,) = config["virtual_hosts"]
    found: list[Json] = host["routes"]
    return found


def built(**changes: Any) -> list[Json]:
    """Return the routes of a split that differs from PLAIN by these fields."""
    return routes_of(replace(PLAIN, **changes))


def clusters(found: list[Json]) -> list[str]:
    return [route["route"]["cluster"] for route in found]


def percentage(route: Json) -> tuple[int, str]:
    value = route["match"]["runtime_fraction"]["default_value"]
    return value["numerator"], value["denominator"]


def capture_filter(route: Json) -> Json | None:
    found: Json | None = route.get("typed_per_filter_config", {}).get("modelops.capture")
    return found


def filter_context(route: Json) -> Json:
    found = capture_filter(route)
    assert found is not None
    context: Json = found["filter_context"]
    return context


def mirrored_header(route: Json) -> str:
    """Return the header value by which a route marks mirrored requests."""
    (policy,) = route["route"]["request_mirror_policies"]
    (mutation,) = policy["request_headers_mutations"]
    value: str = mutation["append"]["header"]["value"]
    return value


splits = st.builds(
    Split,
    version=st.text(max_size=20),
    revision=st.text(max_size=20),
    readiness_path=st.just("/ready"),
    grpc=st.booleans(),
    candidate=st.booleans(),
    token=st.sampled_from(["", TOKEN]),
    weight=st.integers(0, 100),
    mirror_percent=st.integers(0, 100),
    capture_percent=st.integers(0, 100),
    tolerance=st.none() | st.floats(0, 1),
    timeout=st.none() | st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=30)),
).map(lambda split: replace(split, weight=0, mirror_percent=0) if split.candidate else split)
"""A candidate forwards nothing: requests would go in a circle."""


@pytest.mark.parametrize(
    ("weight", "grpc", "expected"),
    [
        pytest.param(0, False, ["model"], id="without a weight the own model answers all requests"),
        pytest.param(20, False, ["candidate", "model"], id="the candidate's weight is drawn first"),
        pytest.param(100, False, ["candidate"], id="with a weight of 100 the own model answers nothing"),
        pytest.param(0, True, ["model_grpc", "model"], id="gRPC has a port of its own"),
        pytest.param(20, True, ["candidate_grpc", "model_grpc", "candidate", "model"], id="gRPC is split like HTTP"),
    ],
)
def test_who_answers(weight: int, grpc: bool, expected: list[str]) -> None:
    """The first route is the probe's, the others are tried in order."""
    assert clusters(built(weight=weight, grpc=grpc)) == ["model_probe", *expected]


@given(st.integers(1, 99))
def test_a_weight_is_exact_to_the_percent(weight: int) -> None:
    assert percentage(built(weight=weight)[1]) == (weight, "HUNDRED")


@given(splits)
def test_the_own_model_answers_probes_whatever_the_split(split: Split) -> None:
    """A Pod must not become unready because a candidate is, and probes must not count."""
    first = routes_of(split)[0]
    assert first["match"] == {
        "path": "/ready",
        "headers": [{"name": ":method", "string_match": {"exact": "GET"}}],
    }
    assert first["route"]["cluster"] == "model_probe"
    assert first["route"]["timeout"] == "0s"


@pytest.mark.parametrize(("path", "expected"), [("/health?full=1", "/health"), ("/is%20ready", "/is%20ready")])
def test_the_readiness_path_is_matched_as_a_probe_sends_it(path: str, expected: str) -> None:
    """Envoy matches paths without their query. The Pod template has no spaces in the path: see test_template."""
    assert built(readiness_path=path)[0]["match"]["path"] == expected


@given(splits)
def test_the_candidate_is_not_mentioned_where_there_is_none(split: Split) -> None:
    """A Pod of a service without a rollout does not know the candidate's clusters."""
    without = replace(split, weight=0, mirror_percent=0, version="", revision="")
    assert "candidate" not in json.dumps(routes(without))


@given(splits)
def test_only_requests_to_the_own_model_are_mirrored_and_marked(split: Split) -> None:
    """The candidate's proxy marks its own responses, and no candidate gets mirrored what it answers itself.

    Only where the own model answers in place of a candidate does the endpoint's metadata mark the response.
    """
    for route in routes_of(split):
        candidate = route["route"]["cluster"].startswith("candidate")
        probe = route["route"]["cluster"] == "model_probe"
        mirrors = route["route"].get("request_mirror_policies", [])
        assert bool(mirrors) == (split.mirror_percent > 0 and not candidate and not probe)
        added = [header["header"] for header in route.get("response_headers_to_add", [])]
        marks = {header["key"] for header in added if "UPSTREAM_METADATA" not in header["value"]}
        assert (len(marks) < len(added)) == candidate
        values = {"x-modelops-model-version": split.version, "x-modelops-revision": split.revision}
        assert marks == (set() if candidate else {key for key, value in values.items() if value})


def test_mirrored_requests_are_drawn_independently_of_the_split() -> None:
    """Envoy draws one number for each request: with hundredths for both, only forwarded requests would be mirrored."""
    (mirror,) = built(weight=20, mirror_percent=10)[-1]["route"]["request_mirror_policies"]
    assert mirror["cluster"] == "candidate"
    assert mirror["runtime_fraction"]["default_value"] == {"numerator": 100_000, "denominator": "MILLION"}


@given(splits)
def test_only_requests_to_the_own_model_are_captured(split: Split) -> None:
    """Neither probes nor gRPC's streams, nor what the candidate's own proxy captures, and nothing by default."""
    for route in routes_of(split):
        if capture_filter(route) is not None:
            assert split.capture_percent > 0
            assert route["route"]["cluster"] == "model"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [False], id="nothing is captured by default"),
        pytest.param({"capture_percent": 100}, [True], id="all requests are captured by one route"),
        pytest.param({"capture_percent": 7}, [True, False], id="a part of the requests is captured, then the rest"),
        pytest.param(
            {"capture_percent": 7, "tolerance": 0.1, "mirror_percent": 5},
            [True, False],
            id="the Pods that mirror get no mirrored requests",
        ),
        pytest.param(
            {"capture_percent": 100, "candidate": True, "token": TOKEN},
            [True, True, False],
            id="a candidate's Pods capture forwarded and mirrored requests, not those through its own Service",
        ),
        pytest.param(
            {"capture_percent": 100, "candidate": True, "tolerance": 0.1},
            [False],
            id="a candidate's Pods capture nothing without a token, which any client could otherwise mark",
        ),
        pytest.param(
            {"capture_percent": 7, "tolerance": 0.1, "candidate": True, "token": TOKEN},
            [True, True, True, False],
            id="a candidate's Pods capture all mirrored requests whose responses are compared",
        ),
    ],
)
def test_which_routes_are_captured(changes: Json, expected: list[bool]) -> None:
    """The others must not cost anything."""
    assert [capture_filter(route) is not None for route in built(**changes)[1:]] == expected


def test_captured_requests_are_drawn_independently_of_split_and_mirroring() -> None:
    """Two other digits of Envoy's one number decide."""
    captured = built(weight=20, mirror_percent=10, capture_percent=7)[2]
    assert percentage(captured) == (700, "TEN_THOUSAND")


def test_responses_are_compared_only_where_they_are_kept() -> None:
    """Both sides need the tolerance.

    The Pod that mirrors keeps its responses, and says by its address where. The candidate's Pod compares.
    """
    captured, rest = built(mirror_percent=10, capture_percent=7, tolerance=0.1, token=TOKEN)[1:]
    assert filter_context(captured) == {"tolerance": 0.1}
    assert mirrored_header(captured) == f"{TOKEN} %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"
    assert mirrored_header(rest) == TOKEN
    compared, forwarded, others, _ = built(capture_percent=7, tolerance=0.1, candidate=True, token=TOKEN)[1:]
    assert filter_context(compared) == {"tolerance": 0.1, "mirrored": True}
    assert filter_context(forwarded) == {}
    assert filter_context(others) == {"mirrored": True}
    plain, _ = built(mirror_percent=10, capture_percent=7, token=TOKEN)[1:]
    assert (mirrored_header(plain), filter_context(plain)) == (TOKEN, {})
    assert mirrored_header(built(mirror_percent=10)[-1]) == "true"


@given(splits)
def test_a_candidate_captures_only_what_has_the_token(split: Split) -> None:
    """The value of a header decides, not its presence: clients can send any header, and do not know the token."""
    captured = [
        route
        for route in routes_of(replace(split, candidate=True, weight=0, mirror_percent=0))
        if capture_filter(route)
    ]
    assert bool(captured) == (split.capture_percent > 0 and split.token != "")
    for route in captured:
        (header,) = route["match"]["headers"]
        assert header["string_match"] in ({"exact": TOKEN}, {"prefix": f"{TOKEN} "})
        assert filter_context(route).get("mirrored", False) == (header["name"] == "x-modelops-mirrored")


@given(splits)
def test_no_model_gets_the_token(split: Split) -> None:
    """A candidate's model that knew the token could be its own judge, by requests to its own Service."""
    for route in routes_of(split):
        if route["route"]["cluster"].startswith("model"):
            for header in route["request_headers_to_add"]:
                assert header["header"] == {"key": "x-modelops-mirrored", "value": "true"}
            kept = {"x-modelops-mirrored", "x-modelops-forwarded"} - set(route["request_headers_to_remove"])
            assert kept <= {header["header"]["key"] for header in route["request_headers_to_add"]}


@given(splits)
def test_clients_cannot_set_the_proxies_own_headers(split: Split) -> None:
    """A client's request would count as a mirrored or forwarded one.

    A forwarded request is marked again. A revision that compares nothing keeps only the fact that a request is
    mirrored.
    """
    for route in routes_of(split):
        trusted = {"x-modelops-mirrored", "x-modelops-forwarded"} - set(route["request_headers_to_remove"])
        if route["route"]["cluster"].startswith("candidate"):
            assert trusted == set()
            added = [header["header"] for header in route["request_headers_to_add"]]
            assert added == ([{"key": "x-modelops-forwarded", "value": TOKEN}] if split.token else [])
        else:
            compares = split.weight or split.mirror_percent or split.capture_percent
            assert trusted == (set() if compares else {"x-modelops-mirrored"})


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (None, "0s"),
        (timedelta(milliseconds=1), "0.001000s"),
        (timedelta(minutes=2), "120.000000s"),
        (timedelta(days=365), "31536000.000000s"),
    ],
)
def test_the_timeout_limits_the_whole_request(timeout: timedelta | None, expected: str) -> None:
    """For gRPC it limits the client's own deadline."""
    _, candidate_grpc, grpc, candidate, model = built(weight=20, grpc=True, timeout=timeout)
    assert {candidate["route"]["timeout"], model["route"]["timeout"]} == {expected}
    for route in (candidate_grpc, grpc):
        assert route["route"]["timeout"] == "0s"
        assert route["route"]["max_stream_duration"] == {
            "grpc_timeout_header_max": expected,
            "max_stream_duration": expected,
        }


def test_grpc_is_matched_by_its_content_type_and_is_not_buffered() -> None:
    """A stream of messages must not be buffered until it ends."""
    for route in built(weight=20, grpc=True)[1:3]:
        assert route["match"]["grpc"] == {}
        assert route["typed_per_filter_config"]["envoy.filters.http.buffer"]["disabled"] is True


@given(splits)
def test_a_request_that_may_have_reached_the_model_is_not_retried(split: Split) -> None:
    """A POST is never carried out twice."""
    for route in routes_of(split):
        conditions = route["route"]["retry_policy"]["retry_on"].split(",")
        assert set(conditions) == {"connect-failure", "refused-stream", "reset-before-request"}


@pytest.mark.parametrize("text", ['v"}],"x":[{"', "%DOWNSTREAM_REMOTE_ADDRESS%", "{{ 1 }}", "a: b", "'; --"])
def test_the_name_of_a_version_stays_text(text: str) -> None:
    """The name cannot become configuration: JSON escapes it, and a % in it does not start a command of Envoy."""
    found = json.loads(json.dumps(built(version=text)))
    assert found[-1]["response_headers_to_add"][0]["header"]["value"] == text.replace("%", "%%")


@given(splits)
def test_the_name_is_a_hash_of_the_routes(split: Split) -> None:
    """The same routes have the same name, in every replica of the operator and after every start."""
    assert name_of(routes(split)) == name_of(json.loads(json.dumps(routes(split))))
    assert name_of(routes(split)).startswith("weights-")
    assert routes(split)["version_info"] == name_of(routes(split))


def test_rendered_routes_are_those_of_the_split() -> None:
    """The ConfigMap has the text, and Envoy reports the name."""
    text = rendered(PLAIN)
    assert text == RenderedRoutes(name=name_of(routes(PLAIN)), text=text.text)
    assert json.loads(text.text) == routes(PLAIN)


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
        {"capture_percent": 5, "candidate": True, "token": TOKEN},
        {"mirror_percent": 5, "token": TOKEN},
    ],
    ids=lambda changed: " and ".join(changed),
)
def test_any_change_has_another_name(changed: Json) -> None:
    """The operator takes the name as proof that Envoy uses the changed routes."""
    assert name_of(routes(replace(PLAIN, **changed))) != name_of(routes(PLAIN))


def test_every_field_of_a_split_is_changed_above() -> None:
    """A new field must have an effect as well."""
    assert {field.name for field in fields(Split)} == {
        "version", "revision", "readiness_path", "grpc", "weight", "mirror_percent", "timeout",
        "capture_percent", "tolerance", "candidate", "token",
    }  # fmt: skip
