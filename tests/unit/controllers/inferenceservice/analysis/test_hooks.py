"""Hooks over real HTTP: the result of each response, and of servers that do not respond properly."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from modelops.api.inferenceservice_status import AnalysisOutcome
from modelops.api.rollout import Hook
from modelops.controllers.bounded_http import NO_ANSWER
from modelops.controllers.inferenceservice.analysis import hooks
from modelops.controllers.inferenceservice.analysis.hooks import call_hook
from support.builders.analyses import check_arguments, destination
from support.proxy.http_responder import Serve, respond


@pytest.mark.parametrize(
    ("status", "body", "outcome", "message"),
    [
        pytest.param(200, b"", "Passed", "HTTP 200", id="200 without a body passes"),
        pytest.param(204, b"", "Passed", "HTTP 204", id="204 passes"),
        pytest.param(200, b"fine", "Passed", "HTTP 200", id="200 with plain text passes"),
        pytest.param(200, {"message": "12 of 12"}, "Passed", "12 of 12", id="200 with a message passes"),
        pytest.param(
            200, {"outcome": "Failed", "message": "3 wrong"}, "Failed", "3 wrong", id="the outcome Failed fails"
        ),
        pytest.param(
            200,
            {"outcome": "Inconclusive", "message": "wait"},
            "Inconclusive",
            "wait",
            id="the outcome Inconclusive is inconclusive",
        ),
        pytest.param(200, {"outcome": "Passed"}, "Passed", "HTTP 200", id="the outcome Passed passes"),
        pytest.param(200, ["Failed"], "Passed", "HTTP 200", id="200 with a JSON list passes"),
        pytest.param(
            200,
            {"outcome": "fine"},
            "Error",
            "outcome in the response is not one of Passed, Failed, Inconclusive",
            id="an unknown outcome is an error",
        ),
        pytest.param(422, {"message": "3 wrong"}, "Failed", "3 wrong", id="422 with a message fails"),
        pytest.param(400, {"outcome": "Passed"}, "Failed", "HTTP 400", id="400 fails whatever its outcome"),
        pytest.param(404, b"page of another service", "Failed", "HTTP 404", id="404 fails without showing its page"),
        pytest.param(
            500,
            {"outcome": "Passed"},
            "Error",
            "HTTP 500: neither 2xx (passed) nor 4xx (failed)",
            id="500 is an error whatever its outcome",
        ),
        pytest.param(
            302, b"", "Error", "HTTP 302: neither 2xx (passed) nor 4xx (failed)", id="a redirect is not followed"
        ),
        pytest.param(
            200,
            b"x" * (64 * 1024 + 1),
            "Error",
            "response larger than 65536 bytes",
            id="a response larger than 64 KiB is an error",
        ),
        pytest.param(200, {"message": "x" * 2000}, "Passed", "x" * 1023 + "…", id="a long message is cut"),
    ],
)
async def test_the_response_of_a_hook_is_its_result(
    serve: Serve, status: int, body: Any, outcome: AnalysisOutcome, message: str
) -> None:
    port = await serve(respond(body, status, Location="/other"))
    hook = Hook(url=f"http://127.0.0.1:{port}/judge?x=1")
    result = await call_hook("smoke", hook, check_arguments(), destination(hook.url))
    assert (result.name, result.outcome, result.message) == ("smoke", outcome, message)


async def test_a_hook_receives_the_arguments_as_json(serve: Serve) -> None:
    requests: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append((request.method, request.path_qs, request.content_type, await request.json()))
        return web.Response()

    port = await serve(handler)
    arguments = check_arguments(candidate_url="http://candidate")
    hook = Hook(url=f"http://127.0.0.1:{port}/judge?x=1")
    await call_hook("smoke", hook, arguments, destination(hook.url))
    expected = {
        "inferenceservice": "mortgage",
        "namespace": "team",
        "stable": "mortgage-1",
        "candidate": "mortgage-2",
        "weight": 25,
        "candidateURL": "http://candidate",
    }
    assert requests == [("POST", "/judge?x=1", "application/json", expected)]


async def test_a_hook_that_does_not_respond_in_time_is_an_error(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    port = await serve(handler)
    hook = Hook(url=f"http://127.0.0.1:{port}", timeout="100ms")
    result = await call_hook("smoke", hook, check_arguments(), destination(hook.url))
    assert (result.outcome, result.message) == ("Error", NO_ANSWER)


async def test_a_server_of_another_protocol_is_an_error_that_does_not_quote_the_server() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 a secret of the cluster\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await call_hook("smoke", Hook(url=url), check_arguments(), destination(url))
    assert (result.outcome, result.message) == ("Error", NO_ANSWER)


def test_the_response_of_a_hook_is_limited_to_64_kib() -> None:
    """All responses under way fit into memory, whoever sends them."""
    assert hooks._MAX_BYTES == 64 * 1024


async def test_a_timeout_beyond_the_greatest_is_cut_to_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An InferenceService that is older than the API's limit keeps no slot of the operator for hours."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    assert hooks._MAX_SECONDS == 30
    monkeypatch.setattr(hooks, "_MAX_SECONDS", 0.1)
    hook = Hook(url=f"http://127.0.0.1:{await serve(handler)}", timeout="10h")
    result = await call_hook("smoke", hook, check_arguments(), destination(hook.url))
    assert result.outcome == "Error"
