"""The bounded HTTP client: addresses it does not connect to, and words for failures that reveal nothing."""

import pytest
from aiohttp import web

from modelops.api.addresses import LocalAddress
from modelops.api.rollout import Hook, PrometheusQuery
from modelops.controllers.inferenceservice.analysis.hooks import call_hook
from modelops.controllers.inferenceservice.analysis.prometheus import query_prometheus
from support.builders.analyses import check_arguments
from support.proxy.http_responder import http_responders

ALL_ADDRESSES: frozenset[LocalAddress] = frozenset()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("http://127.0.0.1:1/", "connection failed or closed early", id="no server listens"),
        pytest.param("http://nobody.invalid/", "host name not found", id="the host name does not resolve"),
        pytest.param("http://[", "URL not valid", id="the URL cannot be parsed"),
        pytest.param("http://2130706433/", "URL not valid", id="the host is a whole number"),
    ],
)
async def test_a_failed_request_is_an_error_without_the_words_of_the_system(url: str, message: str) -> None:
    """The words of a failed connection reveal what listens there to a person who may only choose URLs."""
    hook = await call_hook("smoke", Hook(url=url), check_arguments(), ALL_ADDRESSES)
    assert (hook.outcome, hook.message) == ("Error", message)
    query = PrometheusQuery(address=url, query="up", max=1)
    value = await query_prometheus("up", query, check_arguments(), ALL_ADDRESSES)
    assert (value.outcome, value.message) == ("Error", message)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "224.0.0.1",
        "[ff02::1]",
    ],
)
async def test_addresses_local_to_the_operator_are_denied(host: str) -> None:
    """Ports of the operator and its node, and a cloud's metadata with the node's credentials, by address or name."""
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "1"]}})

    denied = ("Error", "address not allowed: loopback, link-local, multicast or unspecified")
    async with http_responders() as serve:
        port = await serve(handler)
        hook = await call_hook("smoke", Hook(url=f"http://{host}:{port}"), check_arguments())
        assert (hook.outcome, hook.message) == denied
        query = PrometheusQuery(address=f"http://{host}:{port}", query="up", max=1)
        value = await query_prometheus("up", query, check_arguments())
        assert (value.outcome, value.message) == denied
    assert paths == []
