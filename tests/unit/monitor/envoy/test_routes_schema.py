"""Routes that Envoy may be given: every document of the operator's, and no other."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.controllers.inferenceservice.traffic.envoy_routes import Split, routes
from modelops.monitor.envoy import routes_file
from modelops.monitor.envoy.routes_schema import MAX_BYTES, RefusedRoutesError, accepted_routes
from modelops.monitor.settings import Settings

Json = dict[str, Any]
SPLIT = Split(
    version="credit-3%",
    revision="abc",
    readiness_path="/ready",
    grpc=True,
    weight=20,
    mirror_percent=50,
    capture_percent=100,
    tolerance=0.1,
    token="0123456789abcdef" * 2,
)
names = st.from_regex(r"[a-z0-9%.-]{0,30}", fullmatch=True)
splits = st.builds(
    Split,
    version=names,
    revision=names,
    readiness_path=st.just("/ready?x=1"),
    grpc=st.booleans(),
    candidate=st.booleans(),
    token=st.sampled_from(["", SPLIT.token]),
    weight=st.integers(0, 100),
    mirror_percent=st.integers(0, 100),
    capture_percent=st.integers(0, 100),
    tolerance=st.none() | st.floats(0, 1),
    timeout=st.none() | st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=30)),
).map(lambda split: replace(split, weight=0, mirror_percent=0) if split.candidate else split)


@given(splits)
def test_every_document_of_the_operator_is_accepted_unchanged(split: Split) -> None:
    """A weight that a proxy refused would hold up a rollout for good."""
    document = routes(split)
    assert json.loads(accepted_routes(json.dumps(document).encode())) == document


def host(document: Json) -> Json:
    found: Json = document["resources"][0]["virtual_hosts"][0]
    return found


def last(document: Json) -> Json:
    route: Json = host(document)["routes"][-1]
    return route


def mark(value: str) -> Json:
    header = {"key": "x-modelops-forwarded", "value": value}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
MISCHIEF: dict[str, Callable[[Json], Any]] = {
    "the admin interface": lambda d: last(d)["route"].update(cluster="admin"),
    "the monitor": lambda d: last(d)["route"].update(cluster="monitor"),
    "the captured requests' socket": lambda d: last(d)["route"].update(cluster="capture"),
    "a cluster by a header": lambda d: last(d)["route"].update(cluster_header="x-mine"),
    "weighted clusters": lambda d: last(d)["route"].update(weighted_clusters={"clusters": []}),
    "probes without a limit for all paths": lambda d: last(d)["route"].update(cluster="model_probe"),
    "a mirror to the admin interface": lambda d: last(d)["route"]["request_mirror_policies"][0].update(cluster="admin"),
    "a response of its own": lambda d: last(d).update(direct_response={"status": 200, "body": {"inline_string": "x"}}),
    "a redirect": lambda d: last(d).update(redirect={"host_redirect": "evil.example"}),
    "another path for the model": lambda d: last(d)["route"].update(prefix_rewrite="/v2/repository"),
    "another host for the model": lambda d: last(d)["route"].update(host_rewrite_literal="x"),
    "retries of a POST": lambda d: last(d)["route"].update(retry_policy={"retry_on": "5xx", "num_retries": 9}),
    "a script": lambda d: last(d).update(
        typed_per_filter_config={"modelops.capture": {"@type": LUA, "source_code": {"inline_string": "x"}}}
    ),
    "a script by name": lambda d: last(d).update(
        typed_per_filter_config={"modelops.capture": {"@type": LUA, "name": "x"}}
    ),
    "another filter": lambda d: last(d).update(typed_per_filter_config={"envoy.filters.http.rbac": {"@type": "x"}}),
    "a body without limit": lambda d: last(d).update(
        typed_per_filter_config={
            "envoy.filters.http.buffer": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "disabled": True,
            }
        }
    ),
    "filters for all routes": lambda d: host(d).update(typed_per_filter_config={}),
    "a header of a client's": lambda d: last(d).update(
        response_headers_to_add=[
            {
                "header": {"key": "x-modelops-revision", "value": "%REQ(authorization)%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ]
    ),
    "a header of any name": lambda d: last(d).update(
        response_headers_to_add=[
            {"header": {"key": "set-cookie", "value": "x"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ]
    ),
    "a header for the model": lambda d: last(d).update(
        request_headers_to_add=[
            {"header": {"key": "authorization", "value": "x"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ]
    ),
    "a header for the candidate without a token": lambda d: host(d)["routes"][1].update(
        request_headers_to_add=[mark(value="%REQ(authorization)%")]
    ),
    "a token that clients know": lambda d: last(d)["match"].update(
        headers=[{"name": "x-modelops-mirrored", "string_match": {"exact": "true"}}]
    ),
    "a mark of any value": lambda d: last(d)["match"].update(
        headers=[{"name": "x-modelops-mirrored", "present_match": True}]
    ),
    "a mark that begins with anything": lambda d: last(d)["match"].update(
        headers=[{"name": "x-modelops-mirrored", "string_match": {"prefix": ""}}]
    ),
    "a header less": lambda d: last(d).update(request_headers_to_remove=["authorization"]),
    "JSON's other spelling of a field": lambda d: last(d)["route"].update(prefixRewrite="/x"),
    "a second host": lambda d: d["resources"][0]["virtual_hosts"].append(copy.deepcopy(host(d))),
    "another domain": lambda d: host(d).update(domains=["evil.example"]),
    "no routes": lambda d: host(d).update(routes=[]),
    "another name than is reported": lambda d: d.update(version_info="weights-0000000000000000"),
    "a cluster discovery": lambda d: last(d).update(
        typed_per_filter_config={"envoy.filters.http.on_demand": {"@type": "x"}}
    ),
}


@pytest.mark.parametrize("change", MISCHIEF.values(), ids=MISCHIEF.keys())
def test_routes_of_any_other_form_are_refused(change: Callable[[Json], Any]) -> None:
    """A ConfigMap is not code: who may edit it must not get further than who may send requests."""
    document = routes(SPLIT)
    change(document)
    with pytest.raises(RefusedRoutesError, match=r"resources|document"):
        accepted_routes(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "document: "),
        (b" " * (MAX_BYTES + 1), "more than 1048576 bytes"),
    ],
)
def test_anything_else_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(RefusedRoutesError, match=reason):
        accepted_routes(content)


def test_the_routes_accepted_before_stay(tmp_path: Path) -> None:
    """Requests are answered as before, and the reason is told until the operator's routes are back."""
    source, target = tmp_path / "routes.json", tmp_path / "accepted" / "routes.json"
    settings = Settings(routes_path=str(source), accepted_routes_path=str(target))
    source.write_text("{}")
    assert routes_file.take(settings) == 4
    assert not target.exists()
    source.write_text(json.dumps(routes(SPLIT)))
    assert routes_file.take(settings) == 0
    assert routes_file.refusal(settings) is None
    source.write_text("{}")
    assert routes_file.take(settings) == 3
    assert json.loads(target.read_text()) == routes(SPLIT)
    assert routes_file.refusal(settings) == "version_info: Field required"
    source.write_text(json.dumps(routes(SPLIT)))
    assert routes_file.take(settings) == 0
    assert routes_file.refusal(settings) is None
