"""The bounded HTTP client: addresses it does not connect to, and one sentence for all failures to connect."""

from typing import Any

import pytest
from aiohttp import web

from modelops.api.addresses import AddressRules
from modelops.api.rollout import Hook, PrometheusQuery
from modelops.controllers.bounded_http import NO_ANSWER
from modelops.controllers.inferenceservice.analysis.destinations import Destination
from modelops.controllers.inferenceservice.analysis.hooks import call_hook
from modelops.controllers.inferenceservice.analysis.prometheus import query_prometheus
from support.builders.analyses import check_arguments, destination
from support.proxy.http_responder import http_responders


async def messages(server: Destination) -> list[tuple[str, str | None]]:
    """Return outcome and message of a hook and of a query to a server."""
    hook = await call_hook("smoke", Hook(url="http://h", timeout="1s"), check_arguments(), server)
    query = PrometheusQuery(address="http://p", query="up", max=1)
    value = await query_prometheus("up", query, check_arguments(), server)
    return [(hook.outcome, hook.message), (value.outcome, value.message)]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:1/", id="no server listens"),
        pytest.param("https://127.0.0.1:1/", id="no server listens for TLS"),
        pytest.param("http://nobody.invalid/", id="the host name does not resolve"),
    ],
)
async def test_every_failure_to_connect_has_the_same_words(url: str) -> None:
    """Words of their own reveal what listens there to a person who may only choose URLs."""
    assert await messages(destination(url)) == [("Error", NO_ANSWER)] * 2


async def test_a_server_that_speaks_no_tls_has_the_words_of_no_server() -> None:
    async with http_responders() as serve:
        port = await serve(_answer([]))
        assert await messages(destination(f"https://127.0.0.1:{port}")) == [("Error", NO_ANSWER)] * 2


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "168.63.129.16",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "[ff02::1]",
    ],
)
async def test_special_addresses_are_refused_in_the_words_of_no_server(host: str) -> None:
    """Ports of the operator and its node, and a cloud's metadata with the node's credentials, by address or name."""
    paths: list[str] = []
    async with http_responders() as serve:
        port = await serve(_answer(paths))
        assert await messages(destination(f"http://{host}:{port}", AddressRules())) == [("Error", NO_ANSWER)] * 2
    assert paths == []


async def test_a_host_name_can_be_bound_to_an_address() -> None:
    """A Service is reached at the address that the API server gave the Service, whatever a name server says."""
    paths: list[str] = []
    async with http_responders() as serve:
        url = f"http://judge.team.svc.cluster.local:{await serve(_answer(paths))}/x"
        assert [outcome for outcome, _ in await messages(destination(url, address="127.0.0.1"))] == ["Passed", "Passed"]
    assert paths == ["/x", "/x/api/v1/query"]


def _answer(paths: list[str]) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "1"]}})

    return handler
