"""Prometheus queries over real HTTP: the result of each response of the API."""

import json
from typing import Any

import pytest
from aiohttp import web

from modelops.api.inferenceservice_status import AnalysisOutcome
from modelops.api.rollout import PrometheusQuery
from modelops.controllers.inferenceservice.analysis import prometheus
from modelops.controllers.inferenceservice.analysis.prometheus import compare_with_bounds, query_prometheus
from support.builders.analyses import check_arguments, destination
from support.proxy.http_responder import Serve, respond

NOT_PROMETHEUS = "response is not of the Prometheus API: check the address"


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [1.5, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def success(*, kind: str, result: list[Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


@pytest.mark.parametrize(
    ("body", "outcome", "message"),
    [
        pytest.param(vector("0.5"), "Passed", "0.5, at least 0 and at most 1", id="a value within the bounds passes"),
        pytest.param(vector("1"), "Passed", "1, at least 0 and at most 1", id="a value equal to max passes"),
        pytest.param(vector("1.5"), "Failed", "1.5, above 1", id="a value above max fails"),
        pytest.param(vector("-1"), "Failed", "-1, below 0", id="a value below min fails"),
        pytest.param(vector("+Inf"), "Failed", "inf, above 1", id="infinity fails"),
        pytest.param(vector("NaN"), "Inconclusive", "query returned no value", id="NaN is inconclusive"),
        pytest.param(vector(), "Inconclusive", "query returned no value", id="an empty vector is inconclusive"),
        pytest.param(
            vector("0", "1"), "Error", "query returned 2 values: aggregate them to one", id="two values are an error"
        ),
        pytest.param(
            success(kind="scalar", result=[1.5, "0.25"]),
            "Passed",
            "0.25, at least 0 and at most 1",
            id="a scalar within the bounds passes",
        ),
        pytest.param(
            success(kind="matrix", result=[]),
            "Error",
            "query returned a matrix: a single value is needed",
            id="a matrix is an error",
        ),
        pytest.param(
            {"status": "error", "errorType": "bad_data", "error": "parse error"},
            "Error",
            "Prometheus: bad_data: parse error",
            id="an error of Prometheus is quoted",
        ),
        pytest.param(b"<html>", "Error", NOT_PROMETHEUS, id="HTML is an error"),
        pytest.param([], "Error", NOT_PROMETHEUS, id="a JSON list is an error"),
        pytest.param(
            {"status": "secret", "error": "of another service"},
            "Error",
            NOT_PROMETHEUS,
            id="JSON of another service is not quoted",
        ),
        pytest.param(
            success(kind="secret", result=[]), "Error", NOT_PROMETHEUS, id="an unknown type of result is not quoted"
        ),
        pytest.param(vector("one"), "Error", NOT_PROMETHEUS, id="a value that is not a number is an error"),
    ],
)
async def test_the_value_of_a_query_is_compared_with_its_bounds(
    serve: Serve, body: Any, outcome: AnalysisOutcome, message: str
) -> None:
    port = await serve(respond(body))
    query = PrometheusQuery(address=f"http://127.0.0.1:{port}", query="up", min=0, max=1)
    result = await query_prometheus("up", query, check_arguments(), destination(query.address))
    assert (result.outcome, result.message) == (outcome, message)
    # The status is JSON, which has no infinity.
    assert "inf" not in json.dumps(result.wire()["value"] if result.value is not None else None).lower()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        pytest.param({"max": 1}, "0.5, at most 1", id="max alone"),
        pytest.param({"min": 0}, "0.5, at least 0", id="min alone"),
    ],
)
def test_a_message_names_the_bounds_that_the_query_has(bounds: dict[str, float], message: str) -> None:
    query = PrometheusQuery.model_validate({"address": "http://p", "query": "up", **bounds})
    assert compare_with_bounds("up", query, 0.5).message == message


async def test_a_query_is_posted_with_its_placeholders_filled(serve: Serve) -> None:
    requests: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append((request.method, request.path, dict(await request.post())))
        return web.json_response(vector("1"))

    port = await serve(handler)
    promql = 'sum(rate(x{namespace="{namespace}", version=~"{stable}|{candidate}"}[1m])) > {inferenceservice} + 1 & 2'
    query = PrometheusQuery(address=f"http://127.0.0.1:{port}/prom", query=promql, max=1)
    await query_prometheus("up", query, check_arguments(), destination(query.address))
    filled = 'sum(rate(x{namespace="team", version=~"mortgage-1|mortgage-2"}[1m])) > mortgage + 1 & 2'
    assert requests == [("POST", "/prom/api/v1/query", {"query": filled})]


async def test_a_shared_server_is_asked_for_series_of_the_namespace_alone(serve: Serve) -> None:
    """Another team's metrics must not be readable through the operator."""
    queries: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        queries.append((await request.post())["query"])
        return web.json_response(vector("1"))

    address = f"http://127.0.0.1:{await serve(handler)}"
    shared = destination(address, namespace_label="namespace")
    messages = []
    for promql in ('sum(rate(x{namespace="{namespace}"}[5m]))', 'sum(rate(x{namespace="other"}[5m]))', "up", "up{"):
        query = PrometheusQuery(address=address, query=promql, max=1)
        messages.append((await query_prometheus("up", query, check_arguments(), shared)).message)
    assert queries == ['sum(rate(x{namespace="team"}[5m]))']
    assert messages[:3] == [
        "1, at most 1",
        'selector "x{namespace="other"}" selects series of all namespaces; add the matcher namespace="{namespace}"',
        'selector "up" selects series of all namespaces; add the matcher namespace="{namespace}"',
    ]
    assert messages[3].startswith("query is not PromQL: ")


async def test_values_with_braces_are_not_filled_again(serve: Serve) -> None:
    queries: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        queries.append((await request.post())["query"])
        return web.json_response(vector("1"))

    port = await serve(handler)
    promql = "{namespace} {stable} {other} {{candidate}} {weight}"
    query = PrometheusQuery(address=f"http://127.0.0.1:{port}", query=promql, max=1)
    arguments = check_arguments(namespace="{candidate}", stable="{namespace}", candidate="c")
    await query_prometheus("up", query, arguments, destination(query.address))
    assert queries == ["{candidate} {namespace} {other} {c} {weight}"]


def test_a_response_of_prometheus_is_limited_to_1_mib() -> None:
    """All responses under way fit into memory, whoever sends them."""
    assert prometheus._MAX_BYTES <= 1 << 20
